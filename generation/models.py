"""A loaded bundle: what paints it, and what its pictures are measured with. Model families are listed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from brief.recipe import digest
from generation.bundle.card import BundleCard, BundleError, read_card
from generation.bundle.load import Bundle, load
from generation.painter import Painter
from generation.painters.flux2_klein.load import Klein
from generation.painters.flux2_klein.painter import Flux2Klein
from generation.painters.stable_diffusion.painter import BundleClip, StableDiffusion
from generation.score.domain import load_domain
from generation.score.face_reader import load_reader
from generation.score.label import label_version
from generation.score.safety import SafetyChecker
from generation.score.scoring_models import MEASURES_VERSION, ScoringModels
from generation.score.words import WordsModel
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
        vision = shipped()
        painter = StableDiffusion.of(bundle, vision if bundle.card.words.prefix else None)
        return cls(painter, _scoring(bundle, painter, vision), painter.vision)


def _scoring(bundle: Bundle, painter: StableDiffusion, vision: VisionModels) -> ScoringModels:
    card, files = bundle.card, bundle.card.scorers
    reader, domain = files.get("face_reader"), files.get("domain")
    words, checker = _lookers(bundle)
    return ScoringModels(
        clip=BundleClip.of(painter),
        face_reader=load_reader(bundle.folder / reader, bundle.device) if reader else None,
        fingerprint=_scorers(card, vision),
        vision=vision,
        domain=load_domain(bundle.folder / domain) if domain else None,
        scales=_scales(card, words),
        words=words,
        checker=checker,
    )


def _lookers(models: Bundle | Klein) -> tuple[WordsModel | None, SafetyChecker | None]:
    """What the card's ``[source]`` names for looking at finished pictures."""
    folders, where, away = models.sources, (models.device, models.dtype), models.plan.encoders_away
    words = WordsModel(folders.words, *where, away=away) if folders.words else None
    return words, SafetyChecker(folders.safety, *where, away=away) if folders.safety else None


def _scales(card: BundleCard, words: WordsModel | None) -> Mapping[str, Mapping[str, float]]:
    own = words.scale if words else None
    return card.scales if own is None else {"prompt": own, **card.scales}


def _scorers(card: BundleCard, vision: VisionModels) -> str:
    """Digest of all that decides what is measured of a picture."""
    known = {use: vision.cards[use].digest for use in ("faces", "identity")}
    scales = {name: {key: float(value) for key, value in scale.items()} for name, scale in card.scales.items()}
    domain = {path: sha for path, sha in card.sha256.items() if path.startswith(card.scorers.get("domain", "\0"))}
    parts = [dict(card.scoring_parts)] if card.scoring_parts else []
    return digest(["scorers", MEASURES_VERSION, card.fingerprint, known, scales, domain, label_version(), *parts])


def _stable_diffusion(folder: Path, device: str | None) -> Models:
    return Models.of(load(folder, device))


def _flux2_klein(folder: Path, device: str | None) -> Models:
    painter, vision = Flux2Klein.open(folder, device), shipped()
    words, checker = _lookers(painter.klein)
    scoring = ScoringModels(
        clip=words,
        face_reader=None,
        fingerprint=_scorers(painter.card, vision),
        vision=vision,
        scales=_scales(painter.card, words),
        words=words,
        checker=checker,
    )
    return Models(painter, scoring, vision)


_FAMILIES: dict[str, Callable[[Path, str | None], Models]] = {
    "sd15": _stable_diffusion,
    "sdxl": _stable_diffusion,
    "flux2-klein": _flux2_klein,
}
"""Per family of a bundle's card what loads it."""
