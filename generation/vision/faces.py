"""Where the faces of a picture are, and whose each is.

The two models of BlazeFace (Bazarevsky et al., 2019, arXiv:1907.05047) find them. The first sees 256 x 256 pixels of
the whole picture and of overlapping parts, so that small faces are found; it also finds cats and coffee cups. The
second, made for faces that fill a good part of its 128 x 128 pixels, is shown each find alone and must agree on its
size. On the photographs by which the limits were chosen, 23 faces and seven pictures of other things, the two together
made no mistake; no others were tried.

Whose face it is says dlib's residual net of 29 layers with 128 numbers a face (King, 2017), in the 8-bit weights that
face-api ships, as plain torch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from generation.vision.graph import Graph

_FIND_EDGE, _CHECK_EDGE = 256, 128
_FIND_LEAST, _LEAST = 0.5, 0.7
_AIR = 2.0
"""Edge of what the second model is shown, as a multiple of the find's."""
_SIZES = (0.7, 1.4)
"""How much larger or smaller the second model may see the face."""
_APART = 0.6
"""Finds whose middles are closer than this share of the larger edge are one face."""
_KEYPOINTS = 6
_GRIDS = ((16, 2), (8, 6))
"""Cells along an edge and anchors per cell of the two maps that either model has."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face in pixels of the picture.

    Attributes:
        score: 0 to 1, the models' certainty.
        box: left, top, right, bottom: from the brows to the chin, ears outside.
        eyes: (x, y) of the eye on the picture's left, then of the other.
    """

    score: float
    box: tuple[float, float, float, float]
    eyes: tuple[tuple[float, float], tuple[float, float]]

    @property
    def edge(self) -> float:
        """The longer edge of the box in pixels."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])

    @property
    def middle(self) -> tuple[float, float]:
        """(x, y) of the middle of the box."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


class FaceDetector:
    """Both models, ready to run on one device.

    Args:
        finder, checker: folders of the models' graphs and weights.
    """

    def __init__(self, finder: Path, checker: Path, device: str | torch.device = "cpu") -> None:
        self._finder, self._checker = Graph(finder, device), Graph(checker, device)

    def detect(self, picture: Image.Image) -> list[Face]:
        """All faces, the most certain first; one of a twentieth of the picture's longer edge is still found."""
        picture = picture.convert("RGB")
        found = [
            face
            for square in _squares(picture.size)
            for face in _faces(self._finder, picture, square, _FIND_EDGE, _FIND_LEAST)
        ]
        checked = (self._checked(picture, face) for face in _distinct(found))
        return _distinct([face for face in checked if face is not None])

    def _checked(self, picture: Image.Image, face: Face) -> Face | None:
        """The face as the second model sees it, if it sees one of about this size there."""
        edge = _AIR * face.edge
        square = (face.middle[0] - edge / 2, face.middle[1] - edge / 2, edge)
        seen = _faces(self._checker, picture, square, _CHECK_EDGE, _LEAST)
        best = max(seen, key=lambda each: each.score, default=None)
        if best is None or not _SIZES[0] <= best.edge / face.edge <= _SIZES[1]:
            return None
        return best


Square = tuple[float, float, float]
"""Left, top and edge in pixels; may reach over the picture's border, where it is black."""


def _squares(size: tuple[int, int]) -> list[Square]:
    """What the first model is shown: the whole picture, and squares of half its longer edge that overlap by half."""
    longer = max(size)
    half = (longer + 1) // 2
    step = max(1, half // 2)
    columns, rows = (range(0, max(1, edge - step), step) for edge in size)
    return [(0, 0, longer), *((left, top, half) for top in rows for left in columns)]


def _faces(model: Graph, picture: Image.Image, square: Square, edge: int, least: float) -> list[Face]:
    left, top, size = (round(value) for value in square)
    size = max(1, size)
    seen = picture.crop((left, top, left + size, top + size)).resize((edge, edge), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.asarray(seen, dtype=np.float32) / 127.5 - 1)[None]
    outputs = [output.cpu().numpy() for output in model(pixels)]
    logits = np.concatenate([output.reshape(-1) for output in outputs if output.shape[-1] == 1])
    values = np.concatenate([output.reshape(-1, 16) for output in outputs if output.shape[-1] == 16]) / edge
    scores = 1 / (1 + np.exp(-logits.clip(-80, 80)))
    corner = np.array([left, top])
    return [
        _face(float(scores[row]), values[row], _ANCHORS[row], corner, size) for row in np.flatnonzero(scores >= least)
    ]


def _anchors() -> np.ndarray:
    """Centre (x, y) of each anchor as shares of the edge, [896, 2]."""
    centres = [
        ((column + 0.5) / cells, (row + 0.5) / cells)
        for cells, count in _GRIDS
        for row in range(cells)
        for column in range(cells)
        for _ in range(count)
    ]
    return np.array(centres, dtype=np.float32)


_ANCHORS = _anchors()


def _face(score: float, values: np.ndarray, anchor: np.ndarray, corner: np.ndarray, edge: int) -> Face:
    middle, size = (values[:2] + anchor) * edge + corner, values[2:4] * edge
    points = (values[4:].reshape(_KEYPOINTS, 2) + anchor) * edge + corner
    left, top = (float(value) for value in middle - size / 2)
    right, bottom = (float(value) for value in middle + size / 2)
    first, second = ((float(x), float(y)) for x, y in points[:2])
    return Face(score, (left, top, right, bottom), (first, second))


def _distinct(faces: Sequence[Face]) -> list[Face]:
    """Each face once: of finds in one place, the most certain."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda each: -each.score):
        if all(_distance(face, other) > _APART * max(face.edge, other.edge) for other in kept):
            kept.append(face)
    return kept


def _distance(one: Face, other: Face) -> float:
    return float(np.hypot(one.middle[0] - other.middle[0], one.middle[1] - other.middle[1]))


ALIGNED_EDGE = 150
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
    corner = (first + second) / 2 - ALIGNED_EDGE / 2 * across - _EYES_DOWN * down
    matrix = (across[0], down[0], corner[0], across[1], down[1], corner[1])
    turned = picture.convert("RGB")
    return turned.transform((ALIGNED_EDGE, ALIGNED_EDGE), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)


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
