"""A loaded bundle: what paints it, and what its pictures are measured with. Model families are listed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from brief.recipe import digest
from generation.bundle.card import BundleCard, BundleError, hash_file, read_card
from generation.bundle.hub import local_path
from generation.bundle.load import Bundle, load
from generation.painter import Painter
from generation.painters.flux2_klein.load import Klein
from generation.painters.flux2_klein.painter import Flux2Klein
from generation.painters.stable_diffusion.painter import BundleClip, StableDiffusion
from generation.score.domain import load_domain
from generation.score.face_reader import load_reader
from generation.score.label import label_version
from generation.score.safety import SafetyChecker
from generation.score.scales import caption_scale, place_scale
from generation.score.scoring_models import MEASURES_VERSION, Clip, FoundScale, ScoringModels
from generation.score.words import WordsModel
from generation.vision.aura_face import AuraFace
from generation.vision.models import Upscaler, VisionModels, own_upscaler, shipped


@dataclass(frozen=True, slots=True)
class Models:
    """Everything a stage needs.

    Attributes:
        vision: find faces in photographs; ``None`` for a bundle that draws none.
        upscaler: the bundle's own; ``None`` for the one that ships.
    """

    painter: Painter
    scoring: ScoringModels
    vision: VisionModels | None = None
    upscaler: Upscaler | None = None

    @classmethod
    def open(cls, folder: Path | str, device: str | None = None, *, compile_blocks: bool = False) -> Models:
        """Load the bundle in ``folder`` by its family.

        Args:
            compile_blocks: of Stable Diffusion's UNet (:func:`generation.bundle.load.compiled`); other families run
                as they are.

        Raises:
            generation.bundle.card.BundleError: it cannot be used; says why and what to do.
        """
        family = read_card(Path(folder)).family
        if family not in _FAMILIES:
            raise BundleError(f"{folder}: family {family!r} is unknown; there are {', '.join(_FAMILIES)}")
        return _FAMILIES[family](Path(folder), device, compile_blocks)

    @classmethod
    def of(cls, bundle: Bundle) -> Models:
        """A Stable Diffusion bundle that is loaded already, with empty caches."""
        vision = shipped()
        painter = StableDiffusion.of(bundle, vision if bundle.card.words.prefix else None)
        return cls(painter, _scoring(bundle, painter, vision), painter.vision, _upscaler(bundle.card, bundle))


def _scoring(bundle: Bundle, painter: StableDiffusion, vision: VisionModels) -> ScoringModels:
    card, files = bundle.card, bundle.card.scorers
    reader, domain = files.get("face_reader"), files.get("domain")
    words, checker, matcher = _lookers(bundle)
    clip = BundleClip.of(painter)
    return ScoringModels(
        clip=clip,
        face_reader=load_reader(bundle.folder / reader, bundle.device) if reader else None,
        fingerprint=_scorers(card, vision),
        vision=vision,
        domain=load_domain(bundle.folder / domain) if domain else None,
        scales=_scales(card, words),
        words=words,
        checker=checker,
        matcher=matcher,
        found=_found_scales(clip if card.words.prefix else None, words, vision),
    )


def _lookers(models: Bundle | Klein) -> tuple[WordsModel | None, SafetyChecker | None, AuraFace | None]:
    """What the card's ``[source]`` names for looking at finished pictures."""
    folders, where, away = models.sources, (models.device, models.dtype), models.plan.encoders_away
    words = WordsModel(folders.words, *where, away=away) if folders.words else None
    checker = SafetyChecker(folders.safety, *where, away=away) if folders.safety else None
    return words, checker, AuraFace(folders.faces) if folders.faces else None


def _upscaler(card: BundleCard, models: Bundle | Klein) -> Upscaler | None:
    """The net of the card's ``[upscaler]``.

    Raises:
        BundleError: the file is not the one that the card lists, spandrel is not installed or does not know it.
    """
    if not card.upscaler:
        return None
    file = local_path(models.folder, card.upscaler["file"])
    if not file.is_file() or hash_file(file) != card.upscaler["sha256"]:
        raise BundleError(f"{file} is missing or not the file whose sha256 [upscaler] has; get it again")
    try:
        return own_upscaler(file, models.device)
    except ImportError as error:
        raise BundleError(
            f"[upscaler] needs spandrel ({error}): install the extra `upscaler`, which `make setup` does; or remove "
            "[upscaler], and the net that ships enlarges"
        ) from error
    except (RuntimeError, ValueError) as error:
        raise BundleError(f"[upscaler] {file} cannot be used: {error}") from error


def _scales(card: BundleCard, words: WordsModel | None) -> Mapping[str, Mapping[str, float]]:
    own = words.scale if words else None
    return card.scales if own is None else {"prompt": own, **card.scales}


def _found_scales(places: Clip | None, words: WordsModel | None, vision: VisionModels) -> dict[str, FoundScale]:
    """Of the encoder of photographs that compares places, and of the words model."""
    found: dict[str, FoundScale] = {}
    if places is not None:
        found["environment"] = place_scale(places, vision.places)
    if words is not None:
        found["prompt"] = caption_scale(words, vision.places)
    return found


def _scorers(card: BundleCard, vision: VisionModels) -> str:
    """Digest of all that decides what is measured of a picture."""
    known = {use: vision.cards[use].digest for use in ("faces", "identity", "places")}
    scales = {name: {key: float(value) for key, value in scale.items()} for name, scale in card.scales.items()}
    domain = {path: sha for path, sha in card.sha256.items() if path.startswith(card.scorers.get("domain", "\0"))}
    parts = [dict(card.scoring_parts)] if card.scoring_parts else []
    return digest(["scorers", MEASURES_VERSION, card.fingerprint, known, scales, domain, label_version(), *parts])


def _stable_diffusion(folder: Path, device: str | None, compile_blocks: bool) -> Models:
    return Models.of(load(folder, device, compile_blocks=compile_blocks))


def _flux2_klein(folder: Path, device: str | None, compile_blocks: bool) -> Models:
    painter, vision = Flux2Klein.open(folder, device), shipped()
    words, checker, matcher = _lookers(painter.klein)
    scoring = ScoringModels(
        clip=words,
        face_reader=None,
        fingerprint=_scorers(painter.card, vision),
        vision=vision,
        scales=_scales(painter.card, words),
        words=words,
        checker=checker,
        matcher=matcher,
        found=_found_scales(words, words, vision),
    )
    return Models(painter, scoring, vision, _upscaler(painter.card, painter.klein))


_FAMILIES: dict[str, Callable[[Path, str | None, bool], Models]] = {
    "sd15": _stable_diffusion,
    "sdxl": _stable_diffusion,
    "flux2-klein": _flux2_klein,
}
"""Per family of a bundle's card what loads it."""
