"""What in a photograph is the thing itself, and what is background: alpha by U-2-Net-p (Qin et al., 2020,
arXiv:2005.09007), a net of 1.1 million parameters for salient objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from generation.vision.graph import Graph

EDGE = 320
"""Edge in pixels of the square that the net sees: the coarseness of what it says."""

_MEAN = np.array((0.485, 0.456, 0.406), dtype=np.float32)
_SPREAD = np.array((0.229, 0.224, 0.225), dtype=np.float32)


class Matting:
    """The net, ready to run on one device.

    Args:
        folder: of the net's graph and weights.
    """

    def __init__(self, folder: Path, device: str | torch.device = "cpu") -> None:
        self._graph = Graph(folder, device)

    def alpha(self, image: Image.Image) -> np.ndarray:
        """Alpha [height, width] of ``image``, float32 from 0 (background) to 1, soft at the edge.

        The net says what stands out; its answer is stretched to the whole range, as its authors do, so that an image
        without any object gives a matte all the same. Whoever uses it judges its shape.
        """
        small = image.convert("RGB").resize((EDGE, EDGE), Image.Resampling.LANCZOS)
        pixels = np.asarray(small, dtype=np.float32)
        pixels = (pixels / max(1.0, float(pixels.max())) - _MEAN) / _SPREAD
        (found,) = self._graph(torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous())
        matte = found[0, 0].cpu().numpy()
        matte = (matte - matte.min()) / max(1e-6, float(matte.max() - matte.min()))
        large = Image.fromarray(matte).resize(image.size, Image.Resampling.BICUBIC)
        alpha: np.ndarray = np.asarray(large, dtype=np.float32).clip(0, 1)
        return alpha
