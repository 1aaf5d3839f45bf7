"""Dimensions that need no model: sharpness and exposure of the whole picture."""

from __future__ import annotations

import numpy as np
from PIL import Image

_SHARP_AT = 12.0
_CLIPPED_AT = 0.25
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


def exposure(image: Image.Image) -> float:
    """0 to 1: falls with the share of pixels that are crushed to black or blown to white, and with a mean far from
    the middle."""
    luma = _luma(image, _LONG_EDGE) / 255
    clipped = float(((luma < 0.012) | (luma > 0.988)).mean())
    off_centre = max(0.0, abs(float(luma.mean()) - 0.5) - 0.2) / 0.3
    return max(0.0, 1 - clipped / _CLIPPED_AT * 0.5) * (1 - off_centre)
