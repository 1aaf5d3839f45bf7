"""The product without its background."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from brief.errors import GenerationError
from generation.scene.layout import Box

_OPAQUE = 250
_TOLERANCE, _BUST_TOLERANCE = 24, 12
"""Levels of 256. A photographed packshot has noise and a soft shadow; a portrait is drawn, and white hair is near its
wall."""
_SMOOTH_STEP = 10
_SMOOTH_SHARE = 0.9
_SMALLEST_SHARE = 0.01
_LARGEST = 2048
_FILL_EDGE = 640
_TRACE = 8
_FILLED = 0.8


class CutoutError(GenerationError, ValueError):
    """A packshot whose product cannot be told from its background; says whose, why and what to do."""


def cut_out(packshot: Image.Image, what: str = "packshot") -> Image.Image:
    """The product as RGBA, cropped to its own box, at most 2048 pixels along an edge.

    A packshot with transparency is taken at its word. Else its background must be plain or shade softly: what looks
    like the background that its border suggests, and touches the border, is background. Holes inside the product (a
    mug's handle) that do not touch the border stay: deliver transparency for those.

    Raises:
        CutoutError: no transparency and a border of several colours, or nothing left.
    """
    if max(packshot.size) > _LARGEST:
        packshot = packshot.copy()
        packshot.thumbnail((_LARGEST, _LARGEST), Image.Resampling.LANCZOS)
    if packshot.mode == "RGBA" and np.asarray(packshot.getchannel("A")).min() < _OPAQUE:
        return _cropped(packshot, what)
    colour = packshot.convert("RGB")
    cut = colour.convert("RGBA")
    cut.putalpha(matte(colour, what))
    return _cropped(cut, what)


def on_white(cutout: Image.Image) -> Image.Image:
    """The cut-out in the middle of a white square with some air, RGB: how packshots look, and adapters expect."""
    edge = round(max(cutout.size) / _FILLED)
    square = Image.new("RGB", (edge, edge), "white")
    square.paste(cutout, ((edge - cutout.width) // 2, (edge - cutout.height) // 2), cutout)
    return square


def matte(image: Image.Image, what: str, *, bust: bool = False) -> Image.Image:
    """Alpha (mode L) of what is not background: 255 inside, 0 outside, with an edge about one pixel soft.

    Args:
        bust: what is shown reaches the lower edge of the image, of which only the corners are background.

    Raises:
        CutoutError: the border has several colours.
    """
    small = image.copy()
    small.thumbnail((_FILL_EDGE, _FILL_EDGE), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float32)
    border = pixels
    if bust:
        border = pixels.copy()
        border[-1] = np.linspace(pixels[-1, 0], pixels[-1, -1], pixels.shape[1], dtype=np.float32)
    smooth = _border_smoothness(border)
    if smooth < _SMOOTH_SHARE:
        raise CutoutError(
            f"{what}: its background is not plain (only {smooth:.0%} of the border is smooth, {_SMOOTH_SHARE:.0%} is "
            "needed); deliver it with transparency or on a plain background"
        )
    alike = np.abs(pixels - _expected_background(border)).max(axis=2) <= (_BUST_TOLERANCE if bust else _TOLERANCE)
    # A copy, since an image over an array's own memory cannot be filled.
    framed = Image.fromarray(np.pad(alike, 1, constant_values=True).astype(np.uint8)).copy()
    if bust:
        framed.paste(0, (0, framed.height - 1, framed.width, framed.height))
    ImageDraw.floodfill(framed, (0, 0), 2)
    product = Image.fromarray(np.where(np.asarray(framed)[1:-1, 1:-1] == 2, 0, 255).astype(np.uint8))
    # The fill stops inside the anti-aliased edge; one pixel less and softened takes that rim away.
    soft = product.filter(ImageFilter.MinFilter(3)).filter(ImageFilter.BoxBlur(0.5))
    return soft.resize(image.size, Image.Resampling.BICUBIC)


def _border_smoothness(pixels: np.ndarray) -> float:
    """Share of the border's neighbouring pixels that differ by no more than a soft shade does."""
    ring = np.concatenate([pixels[0], pixels[1:, -1], pixels[-1, -2::-1], pixels[-2:0:-1, 0]])
    return float((np.abs(np.diff(ring, axis=0)).max(axis=1) <= _SMOOTH_STEP).mean())


def _expected_background(pixels: np.ndarray) -> np.ndarray:
    """The background that the border suggests: a Coons patch over its four edges (Coons, 1967)."""
    height, width, _ = pixels.shape
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    rows = (1 - down) * pixels[:1] + down * pixels[-1:]
    columns = (1 - across) * pixels[:, :1] + across * pixels[:, -1:]
    corners = (1 - down) * ((1 - across) * pixels[0, 0] + across * pixels[0, -1])
    corners = corners + down * ((1 - across) * pixels[-1, 0] + across * pixels[-1, -1])
    patch: np.ndarray = rows + columns - corners
    return patch


def _cropped(cut: Image.Image, what: str) -> Image.Image:
    alpha = np.asarray(cut.getchannel("A"))
    if (alpha > 127).mean() < _SMALLEST_SHARE:
        raise CutoutError(f"{what}: hardly anything is left once its background is gone; deliver it with transparency")
    rows, columns = (np.flatnonzero((alpha > _TRACE).any(axis=axis)) for axis in (1, 0))
    return cut.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))


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
