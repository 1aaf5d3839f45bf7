"""Matching the light of a picture to that of its place."""

from __future__ import annotations

import numpy as np
from PIL import Image

from generation.colour import from_lab, to_lab

_SHARE = 0.3
_MAX_GAIN = 1.5


def match_light(picture: Image.Image, photo: Image.Image, mask: Image.Image) -> Image.Image:
    """Draw ``picture`` towards ``photo``'s mean and spread in L*a*b* (Reinhard et al., 2001), under ``mask`` only.

    Args:
        picture: RGB.
        photo: of the place, RGB, any size.
        mask: mode L, the picture's size; 255 is changed in full, by 30 % of the way, 0 not at all.
    """
    lab = to_lab(picture)
    weight = np.asarray(mask, dtype=np.float32)[..., None] / 255
    if weight.sum() == 0:
        return picture
    wanted = to_lab(photo.resize((128, 128), Image.Resampling.BOX)).reshape(-1, 3)
    mean = (lab * weight).sum(axis=(0, 1)) / weight.sum()
    spread = np.sqrt(((lab - mean) ** 2 * weight).sum(axis=(0, 1)) / weight.sum()) + 1e-3
    gain = np.clip(wanted.std(axis=0) / spread, 1 / _MAX_GAIN, _MAX_GAIN)
    matched = (lab - mean) * gain + wanted.mean(axis=0)
    return from_lab(lab + (matched - lab) * weight * _SHARE)
