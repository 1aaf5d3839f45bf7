"""One shot laid out: the collage of photo and product, and who acts where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps
from torch import Tensor
from torch.nn import functional

from brief.recipe import Recipe
from generation.scene.layout import Box, Layout
from generation.scene.material import Material

_SHADOW = 0.45


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

    def masks(self, recipe: Recipe, latent: tuple[int, int]) -> Tensor:
        """[3, h, w]: strength of face, product and environment adapter per latent pixel, averaged over its area."""
        strengths = torch.tensor([recipe.face_strength, recipe.product_strength, recipe.environment_strength])
        shares = torch.stack([self.face, self.product, self.kept_place])
        return _shrunk(shares, latent) * strengths[:, None, None]

    def keep(self, recipe: Recipe, latent: tuple[int, int]) -> Tensor:
        """[h, w]: share of the steps for which each latent pixel of the collage is put back."""
        keeps = torch.tensor([recipe.face_keep, recipe.product_keep, recipe.environment_keep, recipe.free_keep])
        shares = torch.stack([self.face, self.product, self.kept_place, self.place * self.free])
        return (_shrunk(shares, latent) * keeps[:, None, None]).sum(0)


def _shrunk(shares: Tensor, latent: tuple[int, int]) -> Tensor:
    width, height = latent
    return functional.adaptive_avg_pool2d(shares[None], (height, width))[0]


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


def collage(photo: Image.Image, product: Image.Image, layout: Layout, figure: Image.Image | None = None) -> Image.Image:
    """The picture before any model has seen it: photo, contact shadow, figure, product.

    Args:
        photo: of the place, any size; it is scaled and cropped to fill the picture.
        product: the placed cut-out, RGBA, the picture's size.
        figure: the placed person, RGBA, the picture's size; given if the person is to start from the portrait.
    """
    size = product.size
    picture = ImageOps.fit(photo.convert("RGB"), size, Image.Resampling.LANCZOS)
    if layout.stands:
        picture = _with_shadow(picture, product)
    if figure is not None:
        picture.paste(figure, mask=figure)
    return paste_product(picture, product)


def _with_shadow(picture: Image.Image, product: Image.Image) -> Image.Image:
    """Darken the ground where the product meets it."""
    box = product.getchannel("A").getbbox()
    if box is None:
        return picture
    left, _, right, bottom = box
    depth = max(2, (right - left) // 6)
    shadow = Image.new("L", picture.size)
    overhang = depth // 2
    ImageDraw.Draw(shadow).ellipse((left - overhang, bottom - depth, right + overhang, bottom + overhang), fill=255)
    shadow = shadow.filter(ImageFilter.GaussianBlur(depth / 3)).point(lambda value: round(value * _SHADOW))
    return Image.composite(Image.new("RGB", picture.size), picture, shadow)


def paste_product(picture: Image.Image, product: Image.Image, feather: float = 0.7) -> Image.Image:
    """The product's own pixels over ``picture``, its edge feathered by 1 to 2 pixels towards the inside.

    A plain alpha blend on purpose: gradient-domain blending shifts the product's colours.
    """
    alpha = product.getchannel("A")
    soft = ImageChops.darker(alpha, alpha.filter(ImageFilter.GaussianBlur(feather)))
    return Image.composite(product.convert("RGB"), picture.convert("RGB"), soft)


_TO_THE_END = 1.0
_RIM = 64
"""The rim round a figure that is left as drawn is a 64th of the picture wide."""
_GAIN = 8


def put_back(picture: Image.Image, material: Material) -> Image.Image:
    """``picture`` (RGB, any size) with the product's own pixels, and the photo's and the portrait's where they are kept
    to the end."""
    product, figure = material.product(picture.size), material.figure(picture.size)
    where = regions(material.layout, product)
    if material.recipe.environment_keep >= _TO_THE_END:
        mask = to_mask(where.kept_place)
        if figure is not None:
            mask.paste(0, mask=_with_rim(figure.getchannel("A")))
        picture = Image.composite(collage(material.photo, product, material.layout), picture.convert("RGB"), mask)
    if material.recipe.face_keep >= _TO_THE_END and figure is not None:
        mask = ImageChops.multiply(to_mask(where.face), figure.getchannel("A"))
        picture = Image.composite(figure.convert("RGB"), picture.convert("RGB"), mask)
    return paste_product(picture, product)


def _with_rim(alpha: Image.Image) -> Image.Image:
    """An outline that is wider all round by about two rims, with a soft edge; a maximum filter would take 60 times
    as long."""
    return alpha.filter(ImageFilter.GaussianBlur(max(alpha.size) / _RIM)).point(lambda value: min(255, _GAIN * value))
