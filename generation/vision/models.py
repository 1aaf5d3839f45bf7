"""The models of ``bundles/judges``: checked against their card, loaded when first used, one set per device."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import torch

from brief.errors import GenerationError
from generation.vision.face_detector import FaceDetector
from generation.vision.face_recogniser import FaceRecogniser
from generation.vision.matting import Matting
from generation.vision.upscaler import Upscaler

FOLDER = Path(__file__).resolve().parents[2] / "bundles" / "judges"
"""Where the models that ship with the project are."""

CARD = "judges.toml"
_UNLISTED = (CARD, "README.md", "NOTICE", "LICENSES")


class VisionError(GenerationError, RuntimeError):
    """The judges' folder cannot be used; names the file, what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of one model.

    Attributes:
        version: of the package that the weights come from.
        says: what it measures and in which range.
        knows: the pictures that it was made for.
        sha256: file in the judges' folder to hex digest.
    """

    name: str
    version: str
    licence: str
    says: str
    knows: str
    sha256: Mapping[str, str]

    @property
    def digest(self) -> str:
        """32 hex characters over its files: what a result of this model depends on."""
        return hashlib.sha256(repr(sorted(self.sha256.items())).encode()).hexdigest()[:32]


def read_cards(folder: Path = FOLDER) -> dict[str, ModelCard]:
    """The cards of all models by their use (``matting``, ``faces``, ``identity``, ``upscaling``).

    Raises:
        VisionError: the card is missing or cannot be read.
    """
    file = folder / CARD
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
        return {use: ModelCard(**card) for use, card in values.items()}
    except (OSError, TypeError, tomllib.TOMLDecodeError) as error:
        raise VisionError(f"{file} cannot be read: {error}; get the project's bundles/judges again") from error


def verify(folder: Path = FOLDER) -> None:
    """Check every file against its card.

    Raises:
        VisionError: a file is missing, altered or not listed; names it.
    """
    listed = {path: digest for card in read_cards(folder).values() for path, digest in card.sha256.items()}
    for path, digest in listed.items():
        file = folder / path
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            raise VisionError(f"{file} is missing or not the file that {CARD} lists; get bundles/judges again")
    present = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    for extra in sorted(path for path in present if path.as_posix() not in listed and path.parts[0] not in _UNLISTED):
        raise VisionError(f"{folder / extra} is not listed in {CARD}; remove it or list it")


@cache
def shipped(device: str = "cpu") -> VisionModels:
    """The models that ship with the project, one set per device and process.

    Raises:
        VisionError: a file is missing or altered.
    """
    return VisionModels(device=device)


class VisionModels:
    """All models on one device, each loaded when it is first used.

    Raises:
        VisionError: a file is missing or altered.
    """

    def __init__(self, folder: Path = FOLDER, device: str | torch.device = "cpu") -> None:
        verify(folder)
        self.cards = read_cards(folder)
        self._folder, self._device = folder, device

    @cached_property
    def matting(self) -> Matting:
        return Matting(self._folder / "matting", self._device)

    @cached_property
    def faces(self) -> FaceDetector:
        return FaceDetector(self._folder / "face_detector", self._folder / "face_check", self._device)

    @cached_property
    def recogniser(self) -> FaceRecogniser:
        return FaceRecogniser(self._folder / "face_recogniser", self._device)

    @cached_property
    def upscaler(self) -> Upscaler:
        return Upscaler(self._folder / "upscaler", self._device)
