"""Between pictures and tensors of pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from brief.errors import GenerationError


class NotFinite(GenerationError, ValueError):
    """A picture has values that are no numbers: it would be black."""


def to_tensor(images: Sequence[Image.Image]) -> Tensor:
    """RGB images of one size as float32 [n, 3, height, width] in 0 to 1."""
    arrays = np.stack([np.asarray(image.convert("RGB"), dtype=np.float32) for image in images])
    return torch.from_numpy(arrays).permute(0, 3, 1, 2) / 255


def to_images(pixels: Tensor) -> list[Image.Image]:
    """[n, 3, height, width] in 0 to 1 (values outside are clipped) as RGB images."""
    rounded = (pixels.float().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(array) for array in rounded]
