"""``bundle.toml``: what a bundle says of itself, its fingerprint, and the check of its files. Standard library only."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from brief import dimensions
from brief.errors import GenerationError
from brief.recipe import Recipe, digest, recipe_on
from brief.types import BundleInfo, Threshold, Words

ROLES = ("face", "product", "environment")
"""What an IP-Adapter is for, and what the starter bundle's are trained for."""
OPTIONAL_ROLES = ("style",)
"""What further ones may be for. A bundle has the roles that its ``[adapters]`` name; the others are off."""

SCORING_PARTS = ("words", "safety", "faces")
"""Parts of ``source`` that look at pictures. ``words`` also chooses portraits, which every shot refers to, and both it
and ``faces`` which step of refining is kept."""
_NO_PIXEL = ("safety",)
"""Parts that decide nothing of any picture."""

UNLISTED = ("bundle.toml", "README.md")
"""Files that ``[sha256]`` does not cover."""


class BundleError(GenerationError, RuntimeError):
    """A bundle that cannot be used; names the folder or file, what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Lora:
    """A low-rank change of the UNet (and text encoders), merged into them at load.

    Attributes:
        file: path in ``repository``; without one, on this machine, relative to the bundle's folder.
        licence: of the file; the bundle's own licence and ``commercial`` must cover it.
        strength: 0 (off) to 1 (as trained), in rare cases above.
        sha256: of the file; needed where there is no ``repository`` with ``revision``.
    """

    file: str
    licence: str
    strength: float = 1.0
    repository: str = ""
    revision: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class BundleCard:
    """The contents of ``bundle.toml``.

    Attributes:
        family: kind of model; the families are listed in :mod:`generation.models`.
        width, height: the models' own picture size in pixels.
        adapters: role to path, relative to the bundle (or to ``source``'s ``adapters``). A role that is not named, or
            that the painter does not know, is off.
        blocks: role to the blocks of the UNet in which its adapter acts ("up_blocks.0.attentions.1"); a role that is
            not named acts in all. So a place gives its style and layout alone (Wang et al., 2024, arXiv:2404.02733).
        scorers: role to path, relative to the bundle.
        recipe: numbers of :class:`brief.recipe.Recipe` that suit these models.
        scales: per dimension that is measured by CLIP, ``middle`` and ``steepness`` of the logistic curve that turns a
            cosine of this encoder into a probability; without one the cosine is the score.
        calibration: where the thresholds come from: ``takes``, the number of labelled takes they were made of, and
            whatever else says how. Without it they are starting values, and a person decides about every take.
        sha256: path to hex digest of every file but ``bundle.toml`` and ``README.md``.
        source: hub repositories, for a bundle that holds no weights itself (:mod:`generation.bundle.hub`).
        scheduler: ``class`` and its numbers, in place of the repository's own (:mod:`generation.bundle.scheduler`).
        variant: of the weight files ("fp16" for ``model.fp16.safetensors``); empty for those without.
        loras: merged into the models at load, in this order.
        inpaint: ``hint``, what a UNet that completes pictures is shown of the collage: "blank" (default; nothing where
            it draws, as published checkpoints were trained) or "figure" (all of it, the person's figure included).
        upscaler: ``file`` (``.safetensors``; on this machine, relative to the bundle), ``sha256`` and ``licence`` of a
            net that enlarges pictures, in place of the one that ships.
        words: what its models want to be told besides a campaign's words; its negative prompt.
        source_sha256: digest of every file of a local ``source``. Filled in at load; if ``bundle.toml`` has it, what
            is loaded must be the same.
        stand_in: the weights are random; pictures show nothing and must be labelled so.
    """

    name: str
    family: str
    licence: str
    commercial: bool
    width: int
    height: int
    stand_in: bool = False
    adapters: Mapping[str, str] = field(default_factory=dict)
    blocks: Mapping[str, list[str]] = field(default_factory=dict)
    scorers: Mapping[str, str] = field(default_factory=dict)
    recipe: Mapping[str, float] = field(default_factory=dict)
    thresholds: Mapping[str, Threshold] = field(default_factory=dict)
    scales: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    calibration: Mapping[str, str | float] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)
    source: Mapping[str, str] = field(default_factory=dict)
    scheduler: Mapping[str, str | float | bool] = field(default_factory=dict)
    variant: str = ""
    loras: tuple[Lora, ...] = ()
    inpaint: Mapping[str, str] = field(default_factory=dict)
    upscaler: Mapping[str, str] = field(default_factory=dict)
    words: Words = field(default_factory=Words)
    source_sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def local_parts(self) -> tuple[str, ...]:
        """The parts of ``source`` that lie on this machine: those without a revision."""
        revised = {name.removesuffix("_revision") for name in self.source if name.endswith("_revision")}
        named = {name for name in self.source if not name.endswith("_revision")}
        return tuple(sorted(named - revised - {"image_encoder"}))

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that this bundle has an adapter for, in the order of :data:`ROLES`, then the optional ones."""
        return tuple(role for role in (*ROLES, *OPTIONAL_ROLES) if role in self.adapters)

    @property
    def fingerprint(self) -> str:
        """Digest over all of the bundle that decides pixels: name, files or hub revisions, which file
        each role and scorer has, recipe, scheduler.

        What a bundle does not have is not in its digest, so that bundles from before it existed keep theirs. Files on
        this machine count by their content, not by where they lie.

        Raises:
            BundleError: files of this machine belong to it, whose digests are known only once it is loaded.
        """
        domain = self.scorers.get("domain")  # it decides what is measured, and no pixel
        drawing = {name: value for name, value in self.source.items() if not _is_of(name, _NO_PIXEL)}
        weights = {path: sha for path, sha in self.source_sha256.items() if not _is_of(path, _NO_PIXEL)}
        files = {path: sha for path, sha in self.sha256.items() if not domain or not path.startswith(f"{domain}/")}
        parts: list[Any] = ["bundle", self.name, files, {k: float(v) for k, v in self.recipe.items()}]
        if self.local_parts and not self.source_sha256:
            raise BundleError(f"bundle {self.name!r} has files of this machine; load it to know its fingerprint")
        if self.source:
            parts.append({name: value for name, value in drawing.items() if name not in self.local_parts})
        own = {
            "adapters": dict(self.adapters),
            "blocks": dict(self.blocks),
            "scorers": {role: path for role, path in self.scorers.items() if role != "domain"},
            "scheduler": dict(self.scheduler),
            "variant": self.variant,
            "loras": [asdict(lora) for lora in self.loras],
            "inpaint": dict(self.inpaint),
            "upscaler": self.upscaler.get("sha256", ""),
            "words": _given(asdict(self.words)),
            "files": weights if self.local_parts else {},
        }
        parts += [{name: value} for name, value in own.items() if value]
        return digest(parts)

    @property
    def scoring_parts(self) -> Mapping[str, str]:
        """What looks at finished pictures: repositories with their revisions, and digests of files of this machine."""
        given = {name: value for name, value in self.source.items() if name not in self.local_parts}
        return {
            name: value for name, value in (given | dict(self.source_sha256)).items() if _is_of(name, SCORING_PARTS)
        }

    @property
    def info(self) -> BundleInfo:
        """What callers, the plan and manifests are told of the bundle."""
        return BundleInfo(
            name=self.name,
            fingerprint=self.fingerprint,
            width=self.width,
            height=self.height,
            licence=self.licence,
            commercial=self.commercial,
            stand_in=self.stand_in,
            thresholds=dict(self.thresholds),
            recipe=dict(self.recipe),
            words=self.words,
            calibrated=int(self.calibration.get("takes", 0)),
        )

    def recipe_for(self, preset: str, changes: Mapping[str, float] | None = None) -> Recipe:
        """The bundle's own numbers, then what the preset sets apart from the defaults, then a take's ``changes``.

        Raises:
            ValueError: an unknown preset or an unknown number in ``changes``.
        """
        return recipe_on(self.recipe, preset, changes)


def read_card(folder: Path) -> BundleCard:
    """Read and check ``bundle.toml`` of ``folder``.

    Raises:
        BundleError: the file is missing or not TOML, a field is missing or unknown, a path leaves the bundle.
    """
    file = folder / "bundle.toml"
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f"{folder} is not a bundle: it has no bundle.toml; set LOOKBOOK_BUNDLE to one") from None
    except tomllib.TOMLDecodeError as error:
        raise BundleError(f"{file}: {error}") from None
    try:
        loras = tuple(Lora(**lora) for lora in values.pop("loras", []))
        thresholds = {name: Threshold(**threshold) for name, threshold in values.pop("thresholds", {}).items()}
        words = Words(**values.pop("words", {}))
        card = BundleCard(thresholds=thresholds, loras=loras, words=words, **values)
        Recipe().changed(card.recipe)
    except (TypeError, ValueError) as error:
        raise BundleError(f"{file}: {error}") from None
    _check_card(card, file)
    return card


def _is_of(name: str, parts: tuple[str, ...]) -> bool:
    """Whether a name of ``source`` ("words_revision") or a path of ``source_sha256`` ("words/config.json") is of one of
    ``parts``."""
    return name.split("/")[0].removesuffix("_revision") in parts


def _check_card(card: BundleCard, file: Path) -> None:
    for lora in card.loras:
        if not (lora.repository and lora.revision) and not lora.sha256:
            raise BundleError(f"{file}: LoRA {lora.file!r} needs a repository and revision, or the file's sha256")
    if card.upscaler and set(card.upscaler) != {"file", "sha256", "licence"}:
        raise BundleError(f"{file}: [upscaler] needs file, sha256 and licence, and nothing else")
    for role in card.blocks:
        if role not in card.adapters:
            raise BundleError(f"{file}: [blocks] names {role!r}, for which [adapters] has no file")
    if strange := dimensions.unknown([*card.thresholds, *card.scales]):
        raise BundleError(f"{file}: {strange}")
    for path in (*card.sha256, *card.adapters.values(), *card.scorers.values()):
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts:
            raise BundleError(f"{file}: {path!r} leads out of the bundle")


def hash_file(file: Path) -> str:
    """SHA-256 of a file's bytes, as hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_files(folder: Path) -> dict[str, str]:
    """``[sha256]`` for a folder: every file but hidden ones, ``bundle.toml`` and ``README.md``."""
    return {path: hash_file(folder / path) for path in sorted(_files(folder))}


def _files(folder: Path) -> set[str]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {
        path.as_posix()
        for path in found
        if path.as_posix() not in UNLISTED and not any(part.startswith(".") for part in path.parts)
    }


def verify(folder: Path, card: BundleCard) -> None:
    """Check every file of the bundle against ``[sha256]``.

    Raises:
        BundleError: a file is missing, altered, or lies in the bundle without being listed; names it.
    """
    files = _files(folder)
    for path, wanted in card.sha256.items():
        if path not in files:
            raise BundleError(f"{folder / path} is missing, though bundle.toml lists it; get the bundle again")
        if hash_file(folder / path) != wanted:
            raise BundleError(f"{folder / path} is not the file that bundle.toml lists; get the bundle again")
    if not card.source and files - set(card.sha256):
        extra = min(files - set(card.sha256))
        raise BundleError(f"{folder / extra} is not listed in bundle.toml's [sha256]; remove it or list it")


_TABLES = (
    "source",
    "source_sha256",
    "scheduler",
    "adapters",
    "blocks",
    "inpaint",
    "upscaler",
    "words",
    "scorers",
    "recipe",
    "thresholds",
    "scales",
    "calibration",
    "sha256",
    "loras",
)


def write_card(folder: Path, card: BundleCard) -> None:
    """Write ``card`` as ``folder/bundle.toml``; :func:`generation.bundle.card.read_card` reads it back equal."""
    values = asdict(card)
    lines = [f"{name} = {_value(value)}" for name, value in values.items() if name not in _TABLES]
    for table in _TABLES:
        rows = values[table]
        if table == "loras":
            for lora in rows:
                lines += ["", "[[loras]]", *_rows(lora)]
        elif table in ("thresholds", "scales"):
            for dimension, numbers in rows.items():
                lines += ["", f"[{table}.{_value(dimension)}]", *_rows(numbers)]
        elif _given(rows):
            lines += ["", f"[{table}]", *_rows(_given(rows))]
    (folder / "bundle.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _given(rows: Mapping[str, Any]) -> dict[str, Any]:
    """The rows that say something: empty text is as good as none."""
    return {name: value for name, value in rows.items() if value != ""}


def _rows(rows: dict[str, object]) -> list[str]:
    return [f"{_value(name)} = {_value(value)}" for name, value in rows.items()]


def _value(value: object) -> str:
    """TOML's strings, numbers and booleans are written as JSON writes them."""
    return json.dumps(value, ensure_ascii=False)
