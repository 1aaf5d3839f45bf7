"""Four times as many pixels along each edge: Real-ESRGAN's compact net (Wang et al., 2021, arXiv:2107.10833;
``realesr-animevideov3``, 18 convolutions)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

SCALE = 4
_TILE = 256
_MARGIN = 18
"""Pixels around a tile: as far as the 18 convolutions of 3 x 3 see, so that tiles leave no seams."""


class Upscaler:
    """The net, ready to run on one device.

    Args:
        folder: of the net's ``weights.safetensors``.
    """

    def __init__(self, folder: Path, device: str | torch.device = "cpu") -> None:
        stored = load_file(folder / "weights.safetensors", device=str(device))
        numbers = sorted({name.split(".")[0] for name in stored})
        self._layers = [
            {name.split(".")[1]: tensor.float() for name, tensor in stored.items() if name.startswith(f"{number}.")}
            for number in numbers
        ]
        self._device = torch.device(device)

    @torch.inference_mode()
    def upscale(self, image: Image.Image) -> Image.Image:
        """``image`` as RGB with four times the edges. Memory is bounded: at most 256 x 256 pixels are seen at once."""
        pixels = torch.from_numpy(np.asarray(image.convert("RGB"), dtype=np.float32) / 255).permute(2, 0, 1)[None]
        height, width = pixels.shape[2:]
        large = torch.empty(3, height * SCALE, width * SCALE)
        for top in range(0, height, _TILE):
            for left in range(0, width, _TILE):
                bottom, right = min(height, top + _TILE), min(width, left + _TILE)
                above, before = max(0, top - _MARGIN), max(0, left - _MARGIN)
                seen = pixels[:, :, above : bottom + _MARGIN, before : right + _MARGIN]
                made = self._forward(seen.to(self._device))[0].cpu()
                rows = slice((top - above) * SCALE, (bottom - above) * SCALE)
                columns = slice((left - before) * SCALE, (right - before) * SCALE)
                large[:, top * SCALE : bottom * SCALE, left * SCALE : right * SCALE] = made[:, rows, columns]
        return Image.fromarray((large.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())

    def _forward(self, pixels: Tensor) -> Tensor:
        """Pixels [n, 3, h, w] in 0 to 1 to [n, 3, 4 h, 4 w]: the net says what to add to repeated pixels."""
        x = pixels
        for layer in self._layers:
            if "slope" in layer:
                x = functional.prelu(x, layer["slope"])
            else:
                x = functional.conv2d(x, layer["weight"], layer["bias"], padding=1)
        return functional.pixel_shuffle(x, SCALE) + functional.interpolate(pixels, scale_factor=SCALE, mode="nearest")
