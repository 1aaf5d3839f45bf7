"""What measures a picture: models of its own, apart from the painter's, so that any painter can be judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image
from torch import Tensor

from generation.score.face_reader import FaceReader

MEASURES_VERSION = 2
"""Raised with every change of how something is measured: takes are then measured again where they are looked at."""


class Clip(Protocol):
    """Pictures and words as vectors of one space."""

    def images(self, images: Sequence[Image.Image]) -> list[Tensor]:
        """[width] of each picture, of which nothing is cropped away."""
        ...

    def words(self, texts: Sequence[str]) -> list[Tensor] | None:
        """[width] of each text; ``None`` if these models know pictures only."""
        ...


@dataclass(frozen=True, slots=True)
class ScoringModels:
    """The models that scores are measured with; what is ``None`` leaves its dimensions unavailable.

    Attributes:
        face_reader: reads features and identity of a face.
        fingerprint: digest of all that decides a measurement beside the picture; another one means measured anew.
    """

    clip: Clip | None
    face_reader: FaceReader | None
    fingerprint: str
