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
from generation.vision.faces import Face
from generation.vision.models import VisionModels

MEASURES_VERSION = 5
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


Scale = Mapping[str, float]
"""``middle`` and ``steepness`` of the logistic curve that turns a cosine into a probability."""


def logistic(scale: Scale, cosine: float) -> float:
    """A cosine as the probability that two things belong together (Platt 1999)."""
    return 0.5 + 0.5 * math.tanh(scale["steepness"] * (cosine - scale["middle"]) / 2)


class FoundScale(Protocol):
    """A scale that is found by showing an encoder things that belong together and things that do not."""

    def probability(self, cosine: float) -> float:
        """That two things with this cosine belong together.

        Raises:
            generation.score.likeness.Unavailable: the encoder does not tell such things apart.
        """
        ...


class FaceMatcher(Protocol):
    """Tells whose a photographed face is."""

    def likeness(self, one: tuple[Image.Image, Face], other: tuple[Image.Image, Face]) -> float:
        """Of two faces, each in its picture, 0 to 1."""
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
        matcher: of faces, in place of the recogniser of ``vision``.
        found: per dimension the scale of its encoder, for those that ``scales`` does not have.
    """

    clip: Clip | None
    face_reader: FaceReader | None
    fingerprint: str
    vision: VisionModels | None = None
    domain: Domain | None = None
    scales: Mapping[str, Scale] = field(default_factory=dict)
    words: WordsClip | None = None
    checker: Checker | None = None
    matcher: FaceMatcher | None = None
    found: Mapping[str, FoundScale] = field(default_factory=dict)

    def scaled(self, dimension: str, cosine: float) -> float:
        """A cosine as the probability that two things belong together; where nothing says what it means, the cosine
        itself.

        Raises:
            generation.score.likeness.Unavailable: the encoder does not tell such things apart.
        """
        if dimension in self.scales:
            return logistic(self.scales[dimension], cosine)
        return self.found[dimension].probability(cosine) if dimension in self.found else cosine
