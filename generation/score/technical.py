"""Dimensions that need no model: sharpness and exposure of the whole picture."""

from __future__ import annotations

import numpy as np
from PIL import Image

_SHARP_AT = 12.0
_CLIPPED_AT = 0.25
_MOVES, _FAR = 0.1, 0.3
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
    moved = max(0.0, abs(float(luma.mean() - before.mean())) - _MOVES) / _FAR
    return max(0.0, 1 - 0.5 * more / _CLIPPED_AT) * max(0.0, 1 - moved)


def _clipped(luma: np.ndarray) -> float:
    return float(((luma < 0.012) | (luma > 0.988)).mean())
