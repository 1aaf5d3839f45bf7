"""Who acts where: the shares of each pixel that belong to face, product and place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor
from torch.nn import functional

from brief.recipe import Recipe
from generation.scene.layout import Box, Layout


@dataclass(frozen=True, slots=True)
class Regions:
    """Shares of each pixel, float32 [height, width] in 0 to 1: ``face`` + ``product`` + ``place`` is 1 everywhere.

    ``free`` is where the place may change although it is the environment's region: body, arm, plinth.
    """

    face: Tensor
    product: Tensor
    place: Tensor
    free: Tensor

    @property
    def kept_place(self) -> Tensor:
        """The place without what the model adds to it, which is in no photo."""
        return self.place * (1 - self.free)

    @property
    def by_role(self) -> Mapping[str, Tensor]:
        """Where the adapter of each role acts."""
        return {"face": self.face, "product": self.product, "environment": self.kept_place}

    def masks(self, recipe: Recipe, latent: tuple[int, int]) -> dict[str, Tensor]:
        """Per role [h, w]: strength of its adapter per latent pixel, averaged over its area."""
        return {role: _shrunk(share, latent) * recipe.strengths[role] for role, share in self.by_role.items()}

    def keep(self, recipe: Recipe, latent: tuple[int, int]) -> Tensor:
        """[h, w]: share of the steps for which each latent pixel of the collage is put back."""
        parts = {**self.by_role, "free": self.place * self.free}
        keeps = [_shrunk(share, latent) * recipe.keeps[part] for part, share in parts.items()]
        return torch.stack(keeps).sum(0)


def _shrunk(share: Tensor, latent: tuple[int, int]) -> Tensor:
    width, height = latent
    return functional.adaptive_avg_pool2d(share[None, None], (height, width))[0, 0]


def regions(layout: Layout, product: Image.Image) -> Regions:
    """Regions of a picture; ``product`` is the placed cut-out (RGBA, the picture's size)."""
    size = product.size
    thing = _array(product.getchannel("A"))
    head = _soft(layout.face, size, round_=True) if layout.face else torch.zeros_like(thing)
    face = head * (1 - thing)
    free = torch.zeros_like(thing)
    for box in layout.free:
        free = torch.maximum(free, _soft(box, size, round_=False))
    return Regions(face, thing, 1 - face - thing, free)


def _soft(box: Box, size: tuple[int, int], *, round_: bool) -> Tensor:
    """A box or the ellipse in it, with an edge that fades over a fiftieth of the picture."""
    shape = Image.new("L", size)
    draw = ImageDraw.Draw(shape)
    (draw.ellipse if round_ else draw.rectangle)(box.pixels(size), fill=255)
    return _array(shape.filter(ImageFilter.GaussianBlur(max(size) / 50)))


def to_mask(shares: Tensor) -> Image.Image:
    """Shares [height, width] in 0 to 1 as an image of mode L."""
    return Image.fromarray((shares.clamp(0, 1) * 255).round().to(torch.uint8).numpy())


def _array(channel: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(channel, dtype=np.float32) / 255)
