"""What a completed picture is worth beside its rendering. Pictures: uint8 [n, S, S, 3]; masks: [n, S, S], 0 to 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from brief.types import Framing
from generation.scene.layout import LAYOUTS
from generation.scene.regions import grown
from generation.score.face_reader import FaceReader, read_faces
from generation.score.likeness import crop_square
from training.world.personas import captioned
from training.world.scene import Scene

Bytes = npt.NDArray[np.uint8]


def psnr(pictures: Bytes, wanted: Bytes, mask: Tensor) -> float:
    """In decibels, over all that ``mask`` covers."""
    error = torch.from_numpy((pictures.astype(np.float32) - wanted) ** 2).mean(3)
    return float(10 * torch.log10(255**2 * mask.sum() / (error * mask).sum()))


def sharpness(pictures: Bytes, mask: Tensor) -> float:
    """Spread of the Laplacian of brightness under ``mask``: grain counts as sharpness."""
    edges = functional.conv2d(_grey(pictures), torch.tensor([[[[0, 1, 0], [1, -4, 1], [0, 1, 0.0]]]]), padding=1)[:, 0]
    return float(((edges.square() * mask).sum() / mask.sum()).sqrt())


def seam(pictures: Bytes, outline: Tensor) -> float:
    """Mean gradient of brightness across the edge of ``outline``, a pixel to both sides: halos raise it."""
    rim = (grown(outline, 1) + grown(-outline, 1)).clamp(0, 1)
    grey = functional.pad(_grey(pictures), (1, 1, 1, 1), mode="replicate")[:, 0]
    across, down = grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2], grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1]
    return float((torch.hypot(across, down) * rim).sum() / rim.sum())


def _grey(pictures: Bytes) -> Tensor:
    return torch.from_numpy(pictures.astype(np.float32)).mean(3)[:, None]


def likeness(reader: FaceReader, pictures: Bytes, wanted: Bytes, scenes: Sequence[Scene]) -> float:
    """Mean cosine of the reader's identity of each face and its rendering's."""
    found, real = (read_faces(reader, _faces(images, scenes)) for images in (pictures, wanted))
    return float(np.mean([float(one.identity @ two.identity) for one, two in zip(found, real, strict=True)]))


def features(reader: FaceReader, pictures: Bytes, scenes: Sequence[Scene]) -> float:
    """Share of all features of all people that the reader reads as they are."""
    hits = [
        reading.best(name) == value
        for reading, scene in zip(read_faces(reader, _faces(pictures, scenes)), scenes, strict=True)
        if scene.persona
        for name, value in captioned(scene.persona.face).chosen().items()
        if name in reading.shares
    ]
    return float(np.mean(hits))


def _faces(pictures: Bytes, scenes: Sequence[Scene]) -> list[Image.Image]:
    boxes = [LAYOUTS[Framing(scene.view.value)].face for scene in scenes]
    return [crop_square(Image.fromarray(image), box) for image, box in zip(pictures, boxes, strict=True) if box]


def frechet_distance(one: Tensor, other: Tensor) -> float:
    """Of two sets of embeddings [n, width], as in FID (Heusel et al., 2017, arXiv:1706.08500), by whichever encoder."""
    first, second = torch.cov(one.double().T), torch.cov(other.double().T)
    roots = torch.linalg.eigvals(first @ second).real.clamp(min=0).sqrt()
    apart = (one.double().mean(0) - other.double().mean(0)).square().sum()
    return float(apart + first.trace() + second.trace() - 2 * roots.sum())
