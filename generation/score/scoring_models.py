"""What measures a picture: models of its own, apart from the painter's, so that any painter can be judged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from PIL import Image
from torch import Tensor

from generation.score.domain import Domain
from generation.score.face_reader import FaceReader
from generation.vision.models import VisionModels

MEASURES_VERSION = 4
"""Raised with every change of how something is measured: takes are then measured again where they are looked at."""


class Clip(Protocol):
    """Pictures and words as vectors of one space."""

    def images(self, images: Sequence[Image.Image]) -> list[Tensor]:
        """[width] of each picture, of which nothing is cropped away."""
        ...

    def words(self, texts: Sequence[str]) -> list[Tensor] | None:
        """[width] of each text; ``None`` if these models know pictures only."""
        ...


class WordsClip(Clip, Protocol):
    """One whose own logits say what a cosine means."""

    @property
    def steepness(self) -> float:
        """Logits per cosine."""
        ...

    def words(self, texts: Sequence[str]) -> list[Tensor]:
        """[width] of each text."""
        ...


class Checker(Protocol):
    """Looks for what must not be published."""

    def safe(self, picture: Image.Image) -> float:
        """0 to 1; from 0.5 on it has no objection."""
        ...


@dataclass(frozen=True, slots=True)
class ScoringModels:
    """The models that scores are measured with; what is ``None`` leaves its dimensions unavailable.

    Attributes:
        face_reader: reads features and identity of a face of the bundle's own world.
        fingerprint: digest of all that decides a measurement beside the picture; another one means measured again.
        vision: finds and recognises faces in photographs.
        domain: what ``clip`` and ``face_reader`` know; ``None`` if that is the whole world.
        scales: per dimension: of the bundle's card (:attr:`generation.bundle.card.BundleCard.scales`), else the words
            model's own.
        words: knows photographs by words; where there is one, it and not ``clip`` scores the words.
        checker: looks for what must not be published.
    """

    clip: Clip | None
    face_reader: FaceReader | None
    fingerprint: str
    vision: VisionModels | None = None
    domain: Domain | None = None
    scales: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    words: WordsClip | None = None
    checker: Checker | None = None

    def scaled(self, dimension: str, cosine: float) -> float:
        """A cosine as the probability that two things belong together, where a scale was calibrated for it (logistic,
        Platt 1999); else the cosine itself."""
        scale = self.scales.get(dimension)
        return cosine if scale is None else 1 / (1 + math.exp(-scale["steepness"] * (cosine - scale["middle"])))
