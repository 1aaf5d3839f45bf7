"""Whose face it is: dlib's residual net of 29 layers with 128 numbers a face (King, 2017), in the 8-bit weights that
face-api ships, as plain torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from generation.vision.face_detector import Face

EDGE = 150
_EYES_APART, _EYES_DOWN = 55, 47
"""Pixels of an aligned face's 150: between the eyes, and from the upper edge to them (dlib's padding of 0.25)."""
_MEAN = (122.782, 117.001, 104.298)
_STAGES = (("32", 3), ("64", 3), ("128", 2), ("256", 2))
"""Channels of each stage and how many residual blocks follow the one that halves the edge."""

SAME, OTHER = 0.4, 0.75
"""Distances typical of two photographs of one person, and of two people (median of 253 pairs of 23 faces: 0.74)."""


def aligned(picture: Image.Image, face: Face) -> Image.Image:
    """The face as the net expects it: 150 x 150, upright, the eyes at fixed places."""
    first, second = (np.array(eye) for eye in face.eyes)
    across = (second - first) / _EYES_APART
    down = np.array([-across[1], across[0]])
    corner = (first + second) / 2 - EDGE / 2 * across - _EYES_DOWN * down
    matrix = (across[0], down[0], corner[0], across[1], down[1], corner[1])
    turned = picture.convert("RGB")
    return turned.transform((EDGE, EDGE), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)


class FaceRecogniser:
    """The net, ready to run on one device.

    Args:
        folder: holds ``weights.safetensors`` (8 bit) and ``quantization.json``.
    """

    def __init__(self, folder: Path, device: str | torch.device = "cpu") -> None:
        scales = json.loads((folder / "quantization.json").read_text(encoding="utf-8"))
        stored = load_file(folder / "weights.safetensors", device=str(device))
        self._weights = {
            name: tensor.float() * scales[name][0] + scales[name][1] if name in scales else tensor.float()
            for name, tensor in stored.items()
        }
        self._mean = torch.tensor(_MEAN, device=device)[None, :, None, None]

    @torch.inference_mode()
    def describe(self, faces: Sequence[Image.Image]) -> Tensor:
        """Descriptors [n, 128], float32 on the CPU, of faces that :func:`aligned` made (one or more)."""
        pixels = np.stack([np.asarray(face.convert("RGB"), dtype=np.float32) for face in faces])
        x = torch.from_numpy(pixels).to(self._mean.device).permute(0, 3, 1, 2)
        x = functional.max_pool2d(self._convolution((x - self._mean) / 255, "conv32_down", stride=2), 3, 2)
        for channels, blocks in _STAGES:
            if channels != "32":
                x = self._down(x, f"conv{channels}_down")
            for number in range(1, blocks + 1):
                x = self._block(x, f"conv{channels}_{number}")
        x = self._down(x, "conv256_down_out")
        return (x.mean((2, 3)) @ self._weights["fc"]).cpu()

    def _convolution(self, x: Tensor, name: str, *, stride: int = 1, relu: bool = True) -> Tensor:
        """Convolution, then a scale per channel; padded where it keeps the size."""
        weight, bias = self._weights[f"{name}/conv/filters"], self._weights[f"{name}/conv/bias"]
        x = functional.conv2d(x, weight, bias, stride, weight.shape[-1] // 2 if stride == 1 else 0)
        scale, shift = self._weights[f"{name}/scale/weights"], self._weights[f"{name}/scale/biases"]
        x = x * scale[None, :, None, None] + shift[None, :, None, None]
        return functional.relu(x) if relu else x

    def _block(self, x: Tensor, name: str) -> Tensor:
        inner = self._convolution(self._convolution(x, f"{name}/conv1"), f"{name}/conv2", relu=False)
        return functional.relu(inner + x)

    def _down(self, x: Tensor, name: str) -> Tensor:
        """A block that halves the edge; the shortcut is averaged and filled up with zeros."""
        inner = self._convolution(self._convolution(x, f"{name}/conv1", stride=2), f"{name}/conv2", relu=False)
        short = functional.avg_pool2d(x, 2, 2)
        # A convolution without padding loses a row and a column that the average keeps.
        rows, columns = (short.shape[edge] - inner.shape[edge] for edge in (2, 3))
        inner = functional.pad(inner, (0, columns, 0, rows))
        short = functional.pad(short, (0, 0, 0, 0, 0, inner.shape[1] - short.shape[1]))
        return functional.relu(inner + short)


def likeness(one: Tensor, other: Tensor) -> float:
    """0 to 1 from the distance of two descriptors [128]: 1 at typical distances of one person, 0 at those of two.

    Which value is good enough is a matter of thresholds; 0.6, dlib's own limit for one person, is 0.43 here.
    """
    distance = float(torch.linalg.vector_norm(one - other))
    return min(1.0, max(0.0, (OTHER - distance) / (OTHER - SAME)))
