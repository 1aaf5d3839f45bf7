"""Where the faces of a picture are: the two models of BlazeFace (Bazarevsky et al., 2019, arXiv:1907.05047), one to
find them and one to look again.

The first sees 256 x 256 pixels of the whole picture and of overlapping parts, so that small faces are found; it also
finds cats and coffee cups. The second, made for faces that fill a good part of its 128 x 128 pixels, is shown each
find alone and must agree on its size. On the photographs by which the limits were chosen, 23 faces and seven pictures
of other things, the two together made no mistake; no others were tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

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
