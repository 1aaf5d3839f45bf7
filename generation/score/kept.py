"""What of a picture must be the originals' own pixels, and whether it is."""

from __future__ import annotations

import numpy as np
from PIL import Image

from generation.scene.colour import to_lab
from generation.scene.scene import Scene, kept_parts, put_back

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
