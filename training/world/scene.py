"""What is in a picture: who, what, where, how framed; and the numbers that the kernels draw.

A scene is decided by its parts and its seed alone. The seed gives light, turn of the head and the small displacements
of person, product and camera. Products stand right of the person (viewer's right), so that a region for each exists
before a picture does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from brief.types import Framing
from training.world import palette
from training.world.figure import set_colour, set_person
from training.world.kernels import params as p
from training.world.kernels.skull import settle
from training.world.personas import WorldPersona
from training.world.places import LIGHTS, NAMES, WorldPlace
from training.world.products import KINDS, MATERIALS, OUTLINES, PATTERNS, WorldProduct
from training.world.splits import digest_number

STUDIO = WorldPlace("studio", 0)


class View(StrEnum):
    """Every way in which the world is photographed: the four framings of a shot, and the three references."""

    HELD = Framing.HELD.value
    PLINTH = Framing.PLINTH.value
    CLOSE_UP = Framing.CLOSE_UP.value
    STILL = Framing.STILL.value
    PORTRAIT = "portrait"
    """A persona alone, usually in the white studio."""
    PACKSHOT = "packshot"
    """A product alone on pure white, without shadow."""
    PHOTO = "photo"
    """An empty place."""


PACKSHOT_FILL = 0.8
"""Share of the picture's edge that a packshot's product fills, as in :func:`generation.scene.cutout.on_white`."""
SHOTS = (View.HELD, View.PLINTH, View.CLOSE_UP, View.STILL)
POSES: dict[str, tuple[float, float]] = {
    "front": (-0.14, 0.14),
    "turned left": (-0.66, -0.38),
    "turned right": (0.38, 0.66),
}
"""Range of the head's yaw in radians; positive faces the right edge of the picture."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture. ``persona`` is needed where a person shows, ``product`` and ``place`` likewise.

    Raises:
        ValueError: a part that the view needs is missing.
    """

    view: View
    seed: int
    persona: WorldPersona | None = None
    product: WorldProduct | None = None
    place: WorldPlace = STUDIO

    def __post_init__(self) -> None:
        if self.has_person and self.persona is None:
            raise ValueError(f"view {self.view.value!r} shows a person, but no persona was given")
        if self.has_product and self.product is None:
            raise ValueError(f"view {self.view.value!r} shows a product, but none was given")

    @property
    def has_person(self) -> bool:
        return self.view in (View.HELD, View.PLINTH, View.CLOSE_UP, View.PORTRAIT)

    @property
    def has_product(self) -> bool:
        return self.view not in (View.PORTRAIT, View.PHOTO)


_SUN_SIDES = {name: -1 if number % 2 else 1 for number, name in enumerate(NAMES)}
"""From which side each place is lit, so that whoever knows the place knows where shadows fall. The studio has both."""


def _set_place(pic: p.Params, place: WorldPlace, rng: np.random.Generator) -> None:
    light = LIGHTS[place.name]
    pic[p.PLACE] = NAMES.index(place.name)
    pic[p.PLACE_SEED] = (digest_number(f"place {place.seed}") % 10_000) / 10_000
    either, turn = rng.choice((-1, 1)), rng.uniform(0.45, 0.95)
    pic[p.KEY_AZIMUTH] = turn * (either if place.name == "studio" else _SUN_SIDES[place.name])
    pic[p.KEY_ELEVATION] = rng.uniform(0.55, 0.85)
    for first, colour in ((p.KEY_R, light.key), (p.FILL_R, light.fill), (p.AMBIENT_R, light.ambient)):
        set_colour(pic, first, colour)


def _set_product(pic: p.Params, product: WorldProduct, rng: np.random.Generator) -> None:
    pic[p.PRODUCT] = KINDS.index(product.kind)
    pic[p.MATERIAL] = MATERIALS.index(product.material)
    pic[p.PATTERN] = PATTERNS.index(product.pattern)
    pic[p.PRODUCT_YAW] = rng.uniform(-0.45, 0.45)
    set_colour(pic, p.FIRST_R, palette.THINGS[product.colour])
    set_colour(pic, p.SECOND_R, palette.THINGS[product.second])


def _set_pose(pic: p.Params, head_pose: str, rng: np.random.Generator) -> None:
    low, high = POSES[head_pose]
    yaw = rng.uniform(low, high)
    pic[p.YAW] = yaw
    pic[p.PITCH] = rng.uniform(-0.08, 0.10)
    pic[p.TILT] = rng.uniform(-0.08, 0.08)
    pic[p.BODY_YAW] = yaw * 0.5
    pic[p.GAZE_X] = -0.30 * np.sin(yaw)
    pic[p.GAZE_Y] = -0.02


HAND_HOLDS = 0.80
"""Largest scale at which the fingers still reach around every kind of product."""


@dataclass(frozen=True, slots=True)
class _Stand:
    """Ranges for a framing's product (its middle across, height of its base, half its longer edge) and its depth."""

    x: tuple[float, float]
    base: tuple[float, float]
    half: tuple[float, float]
    z: float


_STANDS = {
    View.HELD: _Stand((1.04, 1.16), (-1.34, -1.16), (0.64, 0.72), 0.95),
    View.PLINTH: _Stand((1.08, 1.20), (-1.46, -1.30), (0.66, 0.74), 0.80),
    View.CLOSE_UP: _Stand((0.66, 0.76), (-1.54, -1.42), (0.82, 0.90), 1.9),
    View.STILL: _Stand((-0.10, 0.10), (-1.12, -0.98), (0.84, 0.94), 0.6),
}
"""Every kind of product is scaled to the same outline, as the layout fits every cut-out into the same box."""


def _stand_product(pic: p.Params, view: View, rng: np.random.Generator) -> None:
    stand = _STANDS[view]
    middle, _, edge = OUTLINES[KINDS[int(pic[p.PRODUCT])]]
    half = rng.uniform(*stand.half)
    scale = half / edge
    if view is View.HELD:
        scale = min(scale, HAND_HOLDS)
    pic[p.PRODUCT_SCALE] = scale
    pic[p.PRODUCT_X] = rng.uniform(*stand.x) - middle * scale
    pic[p.PRODUCT_Y] = rng.uniform(*stand.base) + scale
    pic[p.PRODUCT_Z] = stand.z
    if view is View.HELD:
        pic[p.HAND] = 1
        return
    pic[p.PLINTH] = 1
    pic[p.PLINTH_W] = 1.05 * half + 0.10
    set_colour(pic, p.PLINTH_R, palette.PLINTH)


def _frame(pic: p.Params, view: View, rng: np.random.Generator) -> None:
    """Where person, product and camera are."""
    if view is View.PORTRAIT:
        pic[p.CAMERA_HALF], pic[p.CAMERA_Y] = 1.80, 0.0
        return
    if view is View.PACKSHOT:
        x, y, half = OUTLINES[KINDS[int(pic[p.PRODUCT])]]
        pic[p.ISOLATED] = 1
        pic[p.CAMERA_X], pic[p.CAMERA_Y], pic[p.CAMERA_HALF] = x, y, half / PACKSHOT_FILL
        return
    pic[p.CAMERA_HALF], pic[p.CAMERA_Y] = 2.15, -0.42
    if view is View.PHOTO:
        pic[p.CAMERA_HALF] = rng.uniform(2.0, 2.3)
        return
    pic[p.PERSON_X], pic[p.PERSON_Y] = -rng.uniform(0.62, 0.78), -0.05
    if view is View.CLOSE_UP:
        pic[p.PERSON_X], pic[p.PERSON_Z] = -rng.uniform(0.85, 1.00), -1.4
    _stand_product(pic, view, rng)


def scene_params(scene: Scene) -> p.Params:
    """The vector [P] of a scene; see :mod:`training.world.kernels.params`."""
    rng = np.random.default_rng(digest_number(f"scene {scene.seed}"))
    pic = np.zeros(p.COUNT)
    pic[p.PRODUCT], pic[p.PRODUCT_SCALE] = -1, 1
    _set_place(pic, scene.place, rng)
    if scene.has_product and scene.product is not None:
        _set_product(pic, scene.product, rng)
    if scene.has_person and scene.persona is not None:
        set_person(pic, scene.persona)
        _set_pose(pic, scene.persona.face.head_pose or "front", rng)
        settle(pic)
    _frame(pic, scene.view, rng)
    return pic
