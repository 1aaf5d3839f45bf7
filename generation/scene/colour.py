"""sRGB to CIE L*a*b* and back (D65, IEC 61966-2-1 and CIE 15), for measuring and matching colours, and how different
two colours look."""

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


def delta_e(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How different colours [..., 3] in L*a*b* look, pair by pair: CIEDE2000, 1 being about what people just see.

    After Sharma, Wu and Dalal (2005), whose test data it meets, without the correction of viewing conditions.
    """
    one, other = one.astype(np.float64), other.astype(np.float64)
    chroma = (np.hypot(one[..., 1], one[..., 2]) + np.hypot(other[..., 1], other[..., 2])) / 2
    redder = 1 + 0.5 * (1 - np.sqrt(chroma**7 / (chroma**7 + 25.0**7)))
    (c1, h1), (c2, h2) = _chroma_and_hue(one, redder), _chroma_and_hue(other, redder)
    grey = c1 * c2 == 0
    apart = np.where(grey, 0.0, (h2 - h1 + 180) % 360 - 180)
    hue = np.where(grey, h1 + h2, (h1 + apart / 2) % 360)
    light, strong = (one[..., 0] + other[..., 0]) / 2, (c1 + c2) / 2
    turning = 1 - 0.17 * _cos(hue - 30) + 0.24 * _cos(2 * hue) + 0.32 * _cos(3 * hue + 6) - 0.20 * _cos(4 * hue - 63)
    lightness = (other[..., 0] - one[..., 0]) / (1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2))
    chromas = (c2 - c1) / (1 + 0.045 * strong)
    hues = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(apart) / 2) / (1 + 0.015 * strong * turning)
    blue = np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2)))
    rotation = -2 * np.sqrt(strong**7 / (strong**7 + 25.0**7)) * np.sin(blue)
    squared = lightness**2 + chromas**2 + hues**2 + rotation * chromas * hues
    apart_by: np.ndarray = np.sqrt(np.maximum(0, squared))
    return apart_by


def _chroma_and_hue(lab: np.ndarray, redder: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a = lab[..., 1] * redder
    return np.hypot(a, lab[..., 2]), np.degrees(np.arctan2(lab[..., 2], a)) % 360


def _cos(degrees: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.cos(np.radians(degrees))
    return found


def from_lab(lab: np.ndarray) -> Image.Image:
    """The inverse of :func:`to_lab`; colours that sRGB cannot show are clipped."""
    y = (lab[..., 0] + 16) / 116
    root = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    ratio = np.where(root > _DELTA, root**3, 3 * _DELTA**2 * (root - 4 / 29))
    linear = np.clip(ratio * _WHITE @ np.linalg.inv(_TO_XYZ).T, 0, 1)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return Image.fromarray((encoded * 255).round().astype(np.uint8))
