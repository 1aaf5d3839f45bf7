"""Whether the product in the picture is the packshot's: colour and structure inside its own outline."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from generation.scene.colour import delta_e, to_lab

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
