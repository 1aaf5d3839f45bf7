"""A loaded bundle: what paints it, and what its pictures are measured with. Model families are listed here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from brief.recipe import digest
from generation.bundle.card import BundleError, read_card
from generation.bundle.load import Bundle, load
from generation.painter import Painter
from generation.painters.flux2_klein.painter import Flux2Klein
from generation.painters.stable_diffusion.clip import BundleClip
from generation.painters.stable_diffusion.painter import StableDiffusion
from generation.score.face_reader import load_reader
from generation.score.scoring_models import MEASURES_VERSION, ScoringModels
from generation.vision.models import VisionModels, shipped


@dataclass(frozen=True, slots=True)
class Models:
    """Everything a stage needs.

    Attributes:
        vision: find faces in photographs; ``None`` for a bundle that draws none.
    """

    painter: Painter
    scoring: ScoringModels
    vision: VisionModels | None = None

    @classmethod
    def open(cls, folder: Path | str, device: str | None = None) -> Models:
        """Load the bundle in ``folder`` by its family.

        Raises:
            generation.bundle.card.BundleError: it cannot be used; says why and what to do.
        """
        family = read_card(Path(folder)).family
        if family not in _FAMILIES:
            raise BundleError(f"{folder}: family {family!r} is unknown; there are {', '.join(_FAMILIES)}")
        return _FAMILIES[family](Path(folder), device)

    @classmethod
    def of(cls, bundle: Bundle) -> Models:
        """A Stable Diffusion bundle that is loaded already, with empty caches."""
        vision = shipped() if bundle.card.words.prefix else None
        painter = StableDiffusion.of(bundle, vision)
        reader = bundle.card.scorers.get("face_reader")
        return cls(
            painter=painter,
            scoring=ScoringModels(
                clip=BundleClip.of(painter),
                face_reader=load_reader(bundle.folder / reader, bundle.device) if reader else None,
                fingerprint=digest(["scorers", MEASURES_VERSION, bundle.card.fingerprint]),
            ),
            vision=vision,
        )


def _stable_diffusion(folder: Path, device: str | None) -> Models:
    return Models.of(load(folder, device))


def _flux2_klein(folder: Path, device: str | None) -> Models:
    painter = Flux2Klein.open(folder, device)
    scorers = digest(["scorers", MEASURES_VERSION, painter.card.fingerprint])
    return Models(painter, ScoringModels(clip=None, face_reader=None, fingerprint=scorers), shipped())


_FAMILIES: dict[str, Callable[[Path, str | None], Models]] = {
    "sd15": _stable_diffusion,
    "sdxl": _stable_diffusion,
    "flux2-klein": _flux2_klein,
}
"""Per family of a bundle's card what loads it."""
