"""Matching the light of a picture, or of a person in it, to that of its place."""

from __future__ import annotations

import numpy as np
from PIL import Image

from generation.scene.colour import from_lab, to_lab

_SHARE = 0.3
_MAX_GAIN = 1.5
_GAMMA = 2.2
_DARKEST = 0.01
_TAKEN = 0.3
"""How much of the difference between two lights a person takes on: much of it is the walls' paint."""


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


def relight(figure: Image.Image, portrait: Image.Image, photo: Image.Image, share: float = 1.0) -> Image.Image:
    """A cut-out person (RGBA) as in the light of ``photo`` instead of that of ``portrait``, both RGB of any size.

    The light of a picture is its mean colour ("grey world", Buchsbaum, 1980), the portrait's that of its upper border,
    which is wall. A gain per channel, as another lamp would be; nothing gets brighter than it was. ``share`` (0 to 1)
    of it is taken.
    """
    walls = _linear(portrait.convert("RGB").crop((0, 0, portrait.width, max(1, portrait.height // 32))))
    place = _linear(photo.convert("RGB").resize((64, 64), Image.Resampling.BOX))
    ratio = (place.mean(axis=(0, 1)) + _DARKEST) / (walls.mean(axis=(0, 1)) + _DARKEST)
    gain = np.minimum(ratio**_TAKEN, 1.0) * share**_GAMMA
    lit = (_linear(figure.convert("RGB")) * gain) ** (1 / _GAMMA)
    found = Image.fromarray((lit * 255).round().astype(np.uint8))
    found.putalpha(figure.getchannel("A"))
    return found


def _linear(picture: Image.Image) -> np.ndarray:
    linear: np.ndarray = (np.asarray(picture, dtype=np.float32) / 255) ** _GAMMA
    return linear
