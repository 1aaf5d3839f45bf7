"""Who acts where: the shares of each pixel that belong to face, product and place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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

    ``free`` is where the place may change although it is the environment's region: body, arm, plinth. ``style`` lies
    over all of them: everywhere, or nowhere.
    """

    face: Tensor
    product: Tensor
    place: Tensor
    free: Tensor
    style: Tensor

    @property
    def kept_place(self) -> Tensor:
        """The place without what the model adds to it, which is in no photo."""
        return self.place * (1 - self.free)

    @property
    def by_role(self) -> Mapping[str, Tensor]:
        """Where the adapter of each role acts."""
        return {
            "face": self.face,
            "product": self.product,
            "environment": self.kept_place,
            "style": self.style,
        }

    def masks(self, recipe: Recipe, latent: tuple[int, int]) -> dict[str, Tensor]:
        """Per role [h, w]: strength of its adapter per latent pixel, averaged over its area."""
        return {role: _shrunk(share, latent) * recipe.strengths[role] for role, share in self.by_role.items()}

    def keep(self, recipe: Recipe, latent: tuple[int, int]) -> Tensor:
        """[h, w]: share of the steps for which each latent pixel of the collage is put back."""
        parts = {**self.by_role, "free": self.place * self.free}
        keeps = [_shrunk(parts[part], latent) * share for part, share in recipe.keeps.items()]
        return torch.stack(keeps).sum(0)


def _shrunk(share: Tensor, latent: tuple[int, int]) -> Tensor:
    width, height = latent
    return functional.adaptive_avg_pool2d(share[None, None], (height, width))[0, 0]


def regions(layout: Layout, product: Image.Image, campaign_roles: Collection[str] = ()) -> Regions:
    """Regions of a picture; ``product`` is the placed cut-out (RGBA, the picture's size), ``campaign_roles`` are
    those for which its campaign brings an image."""
    size = product.size
    thing = to_shares(product.getchannel("A"))
    head = _soft(layout.face, size, round_=True) if layout.face else torch.zeros_like(thing)
    face = head * (1 - thing)
    free = torch.zeros_like(thing)
    for box in layout.free:
        free = torch.maximum(free, _soft(box, size, round_=False))
    return Regions(face, thing, 1 - face - thing, free, torch.full_like(thing, float("style" in campaign_roles)))


def _soft(box: Box, size: tuple[int, int], *, round_: bool) -> Tensor:
    """A box or the ellipse in it, with an edge that fades over a fiftieth of the picture."""
    shape = Image.new("L", size)
    draw = ImageDraw.Draw(shape)
    (draw.ellipse if round_ else draw.rectangle)(box.pixels(size), fill=255)
    return to_shares(shape.filter(ImageFilter.GaussianBlur(max(size) / 50)))


_PERSON_RIM, _PRODUCT_RIM, _SOFT_RIM = 24, 11, 64
"""Of the picture's longer edge: how far beyond person and product a model draws, and how softly that ends."""


def drawn_share(free: Tensor, person: Tensor, product: Tensor) -> Tensor:
    """How much of each pixel a model draws that completes pictures: what the place has not, the person with a rim, and
    what holds the product, lies under it or gets its shadow; never the product itself.

    All are [..., height, width], 0 to 1.

    Args:
        free: where a layout lets the place change.
        person, product: their outlines.
    """
    edge = max(product.shape[-2:])
    rims = torch.maximum(grown(person, edge // _PERSON_RIM), grown(product, edge // _PRODUCT_RIM))
    soft = edge // _SOFT_RIM
    together = torch.maximum(free, rims)
    maps = together.reshape(-1, 1, *together.shape[-2:])
    shares = functional.avg_pool2d(maps, 2 * soft + 1, 1, soft, count_include_pad=False)
    return shares.reshape(together.shape) * (1 - product)


def grown(shares: Tensor, pixels: int) -> Tensor:
    """The largest share within ``pixels``; first across, then down, which costs a tenth of a square window."""
    maps = shares.reshape(-1, 1, *shares.shape[-2:])
    across = functional.max_pool2d(maps, (1, 2 * pixels + 1), 1, (0, pixels))
    return functional.max_pool2d(across, (2 * pixels + 1, 1), 1, (pixels, 0)).reshape(shares.shape)


def to_mask(shares: Tensor) -> Image.Image:
    """Shares [height, width] in 0 to 1 as an image of mode L."""
    return Image.fromarray((shares.clamp(0, 1) * 255).round().to(torch.uint8).numpy())


def to_shares(channel: Image.Image) -> Tensor:
    """An image of mode L as shares [height, width] in 0 to 1, float32."""
    return torch.from_numpy(np.asarray(channel, dtype=np.float32) / 255)
