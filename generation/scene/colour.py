"""sRGB to CIE L*a*b* and back (D65, IEC 61966-2-1 and CIE 15), for measuring and matching colours."""

from __future__ import annotations

import numpy as np
from PIL import Image

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
    dtype=np.float32,
)
_WHITE = _TO_XYZ.sum(axis=1)
_DELTA = 6 / 29


def to_lab(image: Image.Image) -> np.ndarray:
    """An RGB image as float32 [height, width, 3]: L* 0 to 100, a* and b* about -128 to 127."""
    encoded = np.asarray(image.convert("RGB"), dtype=np.float32) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _TO_XYZ.T / _WHITE
    root = np.where(ratio > _DELTA**3, np.cbrt(ratio), ratio / (3 * _DELTA**2) + 4 / 29)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)


def from_lab(lab: np.ndarray) -> Image.Image:
    """The inverse of :func:`to_lab`; colours that sRGB cannot show are clipped."""
    y = (lab[..., 0] + 16) / 116
    root = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    ratio = np.where(root > _DELTA, root**3, 3 * _DELTA**2 * (root - 4 / 29))
    linear = np.clip(ratio * _WHITE @ np.linalg.inv(_TO_XYZ).T, 0, 1)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return Image.fromarray((encoded * 255).round().astype(np.uint8))
