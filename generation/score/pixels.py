"""Dimensions that need no model: sharpness and exposure of the whole picture; whether the product in it is the
packshot's, by colour and structure inside its own outline; and whether what must be the originals' own pixels is."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from generation.scene.colour import delta_e, to_lab
from generation.scene.scene import Scene, kept_parts, put_back

_SHARP_AT = 12.0
_CLIPPED_AT = 0.25
_MOVES, _FALLOFF = 0.1, 0.3
"""Of full luma: how far a person and a product may move the mean, and how far beyond that counts as nothing."""
_LONG_EDGE = 512


def _luma(image: Image.Image, long_edge: int) -> np.ndarray:
    scale = min(1.0, long_edge / max(image.size))
    if scale < 1:
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BOX)
    return np.asarray(image.convert("L"), dtype=np.float32)


def sharpness(image: Image.Image, long_edge: int) -> float:
    """0 (flat) to 1: spread of the Laplacian, saturating (variance-of-Laplacian focus measure, Pech-Pacheco et al.,
    2000).

    Args:
        long_edge: pixels; a larger picture is measured at this size. The one at which the models draw, so that one cut
            serves every size that is delivered: enlarging makes no detail, and takes none away.
    """
    luma = _luma(image, long_edge)
    inner = luma[1:-1, 1:-1]
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner
    spread = float(laplacian.std())
    return spread / (spread + _SHARP_AT)


def exposure(image: Image.Image, original: Image.Image) -> float:
    """0 to 1: how far ``image`` is lit as ``original`` is, the place and the product before anything was drawn. Falls
    with the share of pixels that are crushed to black or blown to white beyond the original's, and with a mean that
    moved. A white studio and a night are as good as a day.

    Args:
        image, original: of one size.
    """
    luma, before = _luma(image, _LONG_EDGE) / 255, _luma(original, _LONG_EDGE) / 255
    more = max(0.0, _clipped(luma) - _clipped(before))
    moved = max(0.0, abs(float(luma.mean() - before.mean())) - _MOVES) / _FALLOFF
    return max(0.0, 1 - 0.5 * more / _CLIPPED_AT) * max(0.0, 1 - moved)


def _clipped(luma: np.ndarray) -> float:
    return float(((luma < 0.012) | (luma > 0.988)).mean())


_FULL = 0.9
_FAR = 30.0
_RIM = 5
_FLAT = 4.0


def product_similarity(picture: Image.Image, product: Image.Image) -> float:
    """How well the product's pixels are met, 0 to 1: the lower of colour and structure.

    Colour falls with the mean difference (CIEDE2000; 0 at 30), structure is the correlation of lightness inside the
    outline, 1 for a product of one lightness.

    Args:
        picture: RGB.
        product: the placed cut-out, RGBA, of the picture's size.

    Raises:
        ValueError: the product covers no pixel.
    """
    inside = _inside(product.getchannel("A"))
    wanted, found = to_lab(product.convert("RGB"))[inside], to_lab(picture)[inside]
    colour = 1 - float(delta_e(wanted, found).mean()) / _FAR
    return max(0.0, min(colour, _structure(wanted[:, 0], found[:, 0])))


def _inside(alpha: Image.Image) -> np.ndarray:
    """Where the product is opaque, without the rim in which it is blended into the picture."""
    for core in (alpha.filter(ImageFilter.MinFilter(_RIM)), alpha):
        inside: np.ndarray = np.asarray(core, dtype=np.float32) > 255 * _FULL
        if inside.any():
            return inside
    raise ValueError("the product covers no pixel of the picture")


def _structure(wanted: np.ndarray, found: np.ndarray) -> float:
    if wanted.std() < _FLAT:
        return 1.0
    if found.std() == 0:
        return 0.0
    return float(np.corrcoef(wanted, found)[0, 1])


_WHOLE = 254
"""Of 255, from which a pixel is the original's alone: what is blended with what was drawn is nobody's own."""
_SEEN = 3.0
"""CIE 1976 Delta E from which a pixel differs; half a unit is rounding, 2.3 the least that people see."""
_ROUNDING = 1
"""Of 255."""
_SPECKS = 0.001
"""Share of the pixels that may differ all the same."""


def altered_shares(scene: Scene, picture: Image.Image) -> dict[str, float]:
    """Per dimension whose pixels are kept, the share of them that is not the original's: 0 where all is as it should
    be.

    Args:
        picture: RGB, of the scene's size.
    """
    parts = kept_parts(scene)
    apart = _apart(put_back(picture, scene), picture)
    found: dict[str, float] = {}
    for name, mask in parts.items():
        inside = np.asarray(mask) >= _WHOLE
        if inside.any():
            share = float(apart[inside].mean())
            found[name] = round(share, 4) if share > _SPECKS else 0.0
    return found


def _apart(one: Image.Image, other: Image.Image) -> np.ndarray:
    """[height, width], where two pictures differ to the eye. Colours are looked at only where numbers differ."""
    first, second = np.asarray(one, dtype=np.int16), np.asarray(other, dtype=np.int16)
    apart: np.ndarray = np.abs(first - second).max(axis=2) > _ROUNDING
    if apart.any():
        apart &= np.linalg.norm(to_lab(one) - to_lab(other), axis=2) > _SEEN
    return apart
