"""The product without its background."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

_OPAQUE = 250
_TOLERANCE = 24
_UNIFORM_SHARE = 0.85
_SMALLEST_SHARE = 0.01
_WHOLE_SHARE = 0.98
_MATTE = (1, 254, 2)


class CutoutError(ValueError):
    """A packshot whose product cannot be told from its background; says why and what to do."""


def cut_out(packshot: Image.Image) -> Image.Image:
    """The product as RGBA, cropped to its own box.

    A packshot with transparency is taken at its word. Else its border must be of one colour; everything of that
    colour that touches the border is background. Holes inside the product (a mug's handle) that do not touch the
    border stay: deliver transparency for those.

    Raises:
        CutoutError: no transparency and a border of several colours, or nothing left.
    """
    if packshot.mode == "RGBA" and packshot.getchannel("A").getextrema()[0] < _OPAQUE:
        return _cropped(packshot)
    colour = packshot.convert("RGB")
    matte = flood_matte(colour)
    cut = colour.convert("RGBA")
    cut.putalpha(matte)
    return _cropped(cut)


def flood_matte(image: Image.Image) -> Image.Image:
    """Alpha (mode L) of what is not background: 255 inside, 0 outside, with an edge one pixel soft.

    Raises:
        CutoutError: the border has several colours.
    """
    border = _border_pixels(np.asarray(image, dtype=np.int16))
    colour = np.median(border, axis=0)
    alike = np.abs(border - colour).max(axis=1) <= _TOLERANCE
    if alike.mean() < _UNIFORM_SHARE:
        raise CutoutError(
            f"the background is not of one colour ({alike.mean():.0%} of the border is alike, {_UNIFORM_SHARE:.0%} is "
            "needed); deliver the packshot with transparency or on a plain background"
        )
    framed = Image.new("RGB", (image.width + 2, image.height + 2), tuple(int(value) for value in colour))
    framed.paste(image, (1, 1))
    ImageDraw.floodfill(framed, (0, 0), _MATTE, thresh=2 * _TOLERANCE)
    flooded = np.all(np.asarray(framed)[1:-1, 1:-1] == _MATTE, axis=2)
    matte = Image.fromarray(np.where(flooded, 0, 255).astype(np.uint8))
    # The fill stops inside the anti-aliased edge; one pixel less and softened takes that rim away.
    return matte.filter(ImageFilter.MinFilter(3)).filter(ImageFilter.BoxBlur(0.5))


def _border_pixels(pixels: np.ndarray) -> np.ndarray:
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def _cropped(cut: Image.Image) -> Image.Image:
    alpha = cut.getchannel("A")
    share = np.asarray(alpha, dtype=np.float32).mean() / 255
    box = alpha.point(lambda value: 255 if value > 127 else 0).getbbox()
    if box is None or share < _SMALLEST_SHARE:
        raise CutoutError("no product is left once the background is gone; deliver the packshot with transparency")
    if share > _WHOLE_SHARE:
        return cut
    return cut.crop(alpha.point(lambda value: 255 if value > 8 else 0).getbbox())
