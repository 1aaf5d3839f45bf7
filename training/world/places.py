"""Places of the world: words, and the light that belongs to each."""

from __future__ import annotations

from dataclasses import dataclass

from training.world.palette import Rgb


@dataclass(frozen=True, slots=True)
class Light:
    """Linear colours of the key, the fill and the sky."""

    key: Rgb
    fill: Rgb
    ambient: Rgb


DESCRIPTIONS: dict[str, str] = {
    "studio": "in a white studio",
    "beach": "on a beach",
    "kitchen": "in a kitchen",
    "forest": "in a forest",
    "city": "in a city at dusk",
    "desert": "in a desert",
    "snow": "in the snow",
    "neon": "in a neon gym",
    "library": "in a library",
    "meadow": "in a flower meadow",
    "loft": "in a brick loft",
    "night": "under a starry sky",
}
"""Names in the order of :mod:`training.world.kernels.floors`, with :attr:`brief.types.Environment.description`."""

NAMES = tuple(DESCRIPTIONS)

LIGHTS: dict[str, Light] = {
    "studio": Light((1.45, 1.40, 1.35), (0.28, 0.30, 0.34), (0.56, 0.58, 0.62)),
    "beach": Light((1.60, 1.45, 1.18), (0.26, 0.34, 0.42), (0.46, 0.54, 0.64)),
    "kitchen": Light((1.60, 1.40, 1.12), (0.34, 0.30, 0.28), (0.52, 0.47, 0.42)),
    "forest": Light((1.55, 1.50, 1.08), (0.22, 0.32, 0.24), (0.42, 0.54, 0.40)),
    "city": Light((1.60, 1.00, 0.72), (0.36, 0.26, 0.55), (0.42, 0.32, 0.52)),
    "desert": Light((1.70, 1.34, 0.98), (0.34, 0.28, 0.28), (0.58, 0.50, 0.44)),
    "snow": Light((1.18, 1.20, 1.24), (0.32, 0.38, 0.48), (0.56, 0.63, 0.74)),
    "neon": Light((1.45, 0.75, 1.15), (0.20, 0.65, 0.80), (0.38, 0.32, 0.48)),
    "library": Light((1.62, 1.26, 0.88), (0.34, 0.28, 0.24), (0.50, 0.42, 0.35)),
    "meadow": Light((1.60, 1.50, 1.22), (0.28, 0.34, 0.36), (0.50, 0.56, 0.54)),
    "loft": Light((1.50, 1.38, 1.20), (0.34, 0.30, 0.30), (0.50, 0.48, 0.48)),
    "night": Light((1.05, 1.15, 1.50), (0.34, 0.26, 0.24), (0.34, 0.40, 0.58)),
}


@dataclass(frozen=True, slots=True)
class WorldPlace:
    """A place; ``seed`` moves its palms, shelves, peaks and windows."""

    name: str
    seed: int

    @property
    def description(self) -> str:
        return DESCRIPTIONS[self.name]
