"""Likeness by CLIP: of the picture to its words, of its face to the portrait, of its place to the photo."""

from __future__ import annotations

import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn import functional

from generation.bundle import Bundle
from generation.encoders import Encoders
from generation.layout import Box

_GREY = (128, 128, 128)


class Unavailable(RuntimeError):
    """A dimension that this bundle or this picture gives nothing to measure with; says why."""


def image_likeness(encoders: Encoders, one: Image.Image, other: Image.Image) -> float:
    """Cosine of the pooled embeddings, 0 to 1 (negative counts as 0)."""
    first, second = encoders.images.encode([one, other])
    return _cosine(first.pooled, second.pooled)


def prompt_likeness(bundle: Bundle, encoders: Encoders, picture: Image.Image, prompt: str) -> float:
    """CLIPScore (Hessel et al., 2021, arXiv:2104.08718) without its factor: cosine of picture and words, 0 to 1.

    Raises:
        Unavailable: the bundle's text encoder was not trained together with its image encoder, which is so unless
            ``[scorers]`` names a ``text_projection`` (safetensors, ``weight`` [projection, text width]).
    """
    path = bundle.card.scorers.get("text_projection")
    if path is None:
        raise Unavailable("the bundle has no text projection into its image encoder's space")
    weight = load_file(bundle.folder / path)["weight"].to(bundle.device, bundle.dtype)
    words = encoders.texts.encode([prompt])[0]
    image = encoders.images.encode([picture])[0]
    return _cosine(image.pooled, functional.linear(words.pooled, weight))


def _cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    return max(0.0, float(functional.cosine_similarity(one.float(), other.float(), dim=-1)))


def crop_square(picture: Image.Image, box: Box) -> Image.Image:
    """The smallest square around ``box``, as far as the picture goes."""
    left, top, right, bottom = box.pixels(picture.size)
    half = max(right - left, bottom - top) / 2
    middle = ((left + right) / 2, (top + bottom) / 2)
    return picture.crop(
        (
            max(0, round(middle[0] - half)),
            max(0, round(middle[1] - half)),
            min(picture.width, round(middle[0] + half)),
            min(picture.height, round(middle[1] + half)),
        )
    )


def covered(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """``picture`` with everything under ``mask`` (mode L) in grey, so that only the rest is compared."""
    return Image.composite(Image.new("RGB", picture.size, _GREY), picture, mask)
