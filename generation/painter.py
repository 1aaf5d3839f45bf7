"""What draws: the one interface between the stages and a family of models.

A painter is told what is wanted as scenes (:class:`generation.scene.scene.Scene`), draws, and knows nothing of stages,
storage or scores. What must stay (the product's pixels, a place that is kept) is put back by the stages, the same for
every painter, so no painter needs to keep a pixel exactly. Families are listed in :mod:`generation.models`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor

from brief.types import Persona
from generation.bundle.card import BundleCard
from generation.counts import Counts
from generation.scene.scene import Scene


@dataclass(frozen=True, slots=True)
class Repaint:
    """A picture to draw over.

    Attributes:
        scene: what it shows, of the picture's size.
        picture: RGB.
        strength: share of the denoising steps that are run again, above 0 to 1.
        face_only: the picture is a crop round the person's face, its edges multiples of :attr:`Painter.size_step`:
            only words and reference of the person count. Asked only of a painter with an adapter for faces.
    """

    scene: Scene
    picture: Image.Image
    strength: float
    face_only: bool = False


class Painter(Protocol):
    """A loaded bundle of one family.

    Every method takes any number of items and gives one picture per item, RGB, in their order. Item i depends on
    item i alone, up to rounding: nothing of one picture may reach another. Not for use by several threads at once.
    """

    @property
    def card(self) -> BundleCard: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def counts(self) -> Counts: ...

    @property
    def hint(self) -> str | None:
        """For a painter that completes a picture round what stays: "blank" if it is shown nothing where it draws,
        "figure" if it is shown the person's figure there. ``None`` for one that draws the whole picture."""
        ...

    @property
    def most(self) -> int:
        """Pictures of the card's size that fit into the device's memory at once."""
        ...

    @property
    def size_step(self) -> int:
        """Edges of a scene are multiples of it, in pixels."""
        ...

    def portraits(self, personas: Sequence[Persona]) -> list[Image.Image]:
        """A portrait of each persona by its chosen features and seed, of the card's size."""
        ...

    def compose(self, scenes: Sequence[Scene]) -> list[Image.Image]:
        """Each scene drawn, of the scene's size; its take's seed decides it."""
        ...

    def explain(self, scene: Scene) -> tuple[Image.Image, Mapping[str, Tensor]]:
        """The composed picture once more, and per role a map [h, w] in 0 to 1: the share of each part of it that is the
        role's adapter's doing.

        Raises:
            ValueError: models of this family have no adapters.
        """
        ...

    def repaint(self, orders: Sequence[Repaint]) -> list[Image.Image]:
        """Each picture drawn again in its last part of the steps (image to image), of its own size."""
        ...
