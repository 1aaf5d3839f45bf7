"""Likeness by CLIP: of the picture to its words, and of a part of it to a reference."""

from __future__ import annotations

import torch
from PIL import Image
from torch.nn import functional

from brief.errors import GenerationError
from generation.scene.layout import Box
from generation.score.scoring_models import ScoringModels

_GREY = (128, 128, 128)
_AIR = 1.2


class Unavailable(GenerationError, RuntimeError):
    """A dimension that this bundle or this picture gives nothing to measure with; says why."""


def image_likeness(scoring: ScoringModels, one: Image.Image, other: Image.Image) -> float:
    """Cosine of the pooled embeddings, 0 to 1 (negative counts as 0).

    Raises:
        Unavailable: there is no CLIP.
    """
    if scoring.clip is None:
        raise Unavailable("the bundle has no CLIP to compare pictures with")
    first, second = scoring.clip.images([one, other])
    return _cosine(first, second)


def prompt_likeness(scoring: ScoringModels, picture: Image.Image, prompt: str) -> float:
    """CLIPScore (Hessel et al., 2021, arXiv:2104.08718) without its factor: cosine of picture and words, 0 to 1.

    Raises:
        Unavailable: the bundle has no words model, and no CLIP or no text projection for it.
    """
    reader = scoring.words or scoring.clip
    words = reader.words([prompt]) if reader else None
    if reader is None or words is None:
        raise Unavailable("nothing that knows pictures by words is loaded ([source] words, or a text projection)")
    return _cosine(reader.images([picture])[0], words[0])


def _cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    return max(0.0, float(functional.cosine_similarity(one.float(), other.float(), dim=-1)))


def crop_square(picture: Image.Image, box: Box) -> Image.Image:
    """A square around ``box`` with some air, as far as the picture goes."""
    return picture.crop(square_around(box, picture.size))


def square_around(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in pixels of a square around ``box`` with some air, as far as ``size`` goes."""
    left, top, right, bottom = box.pixels(size)
    half = _AIR * max(right - left, bottom - top) / 2
    across, down = (left + right) / 2, (top + bottom) / 2
    return (
        max(0, round(across - half)),
        max(0, round(down - half)),
        min(size[0], round(across + half)),
        min(size[1], round(down + half)),
    )


def covered(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """``picture`` with everything under ``mask`` (mode L) in grey, so that only the rest is compared."""
    return Image.composite(Image.new("RGB", picture.size, _GREY), picture, mask)
