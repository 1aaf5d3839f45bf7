"""The person of a portrait, without the wall behind, at the place that a layout gives the head."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFilter

from generation.cutout import CutoutError, matte
from generation.layout import Box

PORTRAIT_HEAD = Box(0.18, 0.12, 0.82, 0.84)
"""Where the head with its hair is in a portrait."""


def place_figure(portrait: Image.Image, face: Box, size: tuple[int, int]) -> Image.Image:
    """A transparent picture of ``size`` with the portrait's person in it, the head in ``face``, its aspect kept.

    A portrait before a lively background, such as one that the team brought, gives its head alone.
    """
    figure = portrait.convert("RGB")
    try:
        figure.putalpha(matte(figure, "portrait", bust=True))
    except CutoutError:
        figure.putalpha(_head_only(figure.size))
    scale = min(
        face.width * size[0] / (PORTRAIT_HEAD.width * figure.width),
        face.height * size[1] / (PORTRAIT_HEAD.height * figure.height),
    )
    width, height = round(scale * figure.width), round(scale * figure.height)
    middle, bottom = (face.left + face.right) / 2 * size[0], face.bottom * size[1]
    left = round(middle - (PORTRAIT_HEAD.left + PORTRAIT_HEAD.right) / 2 * width)
    layer = Image.new("RGBA", size)
    layer.paste(
        figure.resize((width, height), Image.Resampling.LANCZOS), (left, round(bottom - PORTRAIT_HEAD.bottom * height))
    )
    return layer


def _head_only(size: tuple[int, int]) -> Image.Image:
    oval = Image.new("L", size)
    ImageDraw.Draw(oval).ellipse(PORTRAIT_HEAD.pixels(size), fill=255)
    return oval.filter(ImageFilter.GaussianBlur(max(size) / 40))
