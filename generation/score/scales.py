"""What a cosine means: a scale per encoder, found when it is first asked for.

A cosine of 0.8 between two places is the same place for one CLIP and any other for the next. So each is shown
photographs of places that ship (``bundles/judges/places``), covered as takes are: each beside itself as a drawn place
may differ from its photo, and beside all others. A CLIP that scores words is shown them beside their captions. The
curve between what belongs together and what does not is the scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter
from torch import Tensor
from torch.nn import functional

from generation.score.likeness import Unavailable, covered
from generation.score.scoring_models import Clip, Scale, WordsClip, logistic

CAPTIONS = (
    "a photo of an empty room in an apartment",
    "a photo of the inside of a footbridge",
    "a photo of a street with office towers",
    "a photo of rocky hills at dawn",
    "a photo of a theatre's entrance hall",
    "a photo of a forest",
    "a photo of a large hall with a tiled floor",
    "a photo of an old laboratory",
    "a photo of a lobby with benches",
    "a photo of a field under stars",
    "a photo of a green meadow under a blue sky",
    "a photo of a meadow at sunrise",
    "a photo of a square in Venice",
    "a photo of a path along the sea",
    "a photo of a bare warehouse",
    "a photo of a factory workshop",
)
"""Of the photographs that ship, in their order."""
_TOLD_APART = 1.5
"""Standard deviations between what belongs together and what does not from which an encoder knows it (d', Green and
Swets 1966)."""
_TOGETHER = 16
_WARM = (255, 214, 170)

Cosines = tuple[np.ndarray, np.ndarray]
"""Of what belongs together, and of what does not."""


class EncoderScale:
    """Implements :class:`generation.score.scoring_models.FoundScale`.

    Args:
        what: the encoder has to tell apart, in words.
        find: its cosines, asked for once.
    """

    def __init__(self, what: str, find: Callable[[], Cosines]) -> None:
        self._what, self._find = what, find

    def probability(self, cosine: float) -> float:
        """That two things with this cosine belong together.

        Raises:
            Unavailable: the encoder does not tell such things apart.
        """
        scale, apart = self._found
        if apart < _TOLD_APART:
            raise Unavailable(f"the encoder does not tell {self._what} apart (d' {apart:.1f}, {_TOLD_APART} is needed)")
        return logistic(scale, cosine)

    @cached_property
    def _found(self) -> tuple[Scale, float]:
        """The scale, and how far apart the two kinds of cosines lie."""
        matched, others = self._find()
        return scale_of(matched, others), float(matched.mean() - others.mean()) / max(_spread(matched, others), 1e-6)


def place_scale(clip: Clip, places: Sequence[Image.Image]) -> EncoderScale:
    """For two pictures of places, of an encoder that is shown these photographs of different ones."""
    return EncoderScale("places", lambda: _of_places(clip, places))


def caption_scale(words: WordsClip, places: Sequence[Image.Image]) -> EncoderScale:
    """For a picture and words, of an encoder that is shown these photographs and :data:`CAPTIONS`."""
    return EncoderScale("what captions say", lambda: _of_captions(words, places))


def _of_places(clip: Clip, places: Sequence[Image.Image]) -> Cosines:
    shown = [_with_somebody(each) for place in places for each in (place, *_as_drawn(place))]
    seen = _units(vector for part in _parts(shown) for vector in clip.images(part))
    seen = seen.reshape(len(places), -1, seen.shape[-1])
    return _split(torch.einsum("aw,bvw->abv", seen[:, 0], seen[:, 1:]))


def _of_captions(words: WordsClip, places: Sequence[Image.Image]) -> Cosines:
    return _split(_units(words.images(places)) @ _units(words.words(CAPTIONS)).T)


def _units(vectors: Iterable[Tensor]) -> Tensor:
    return functional.normalize(torch.stack(list(vectors)).float().cpu(), dim=-1)


def _parts(images: Sequence[Image.Image]) -> Iterator[Sequence[Image.Image]]:
    for at in range(0, len(images), _TOGETHER):
        yield images[at : at + _TOGETHER]


def _split(likeness: Tensor) -> Cosines:
    """Cosines [a, b, ...] into those of a thing with itself and with others."""
    same = torch.eye(len(likeness), dtype=torch.bool)
    return likeness[same].flatten().numpy(), likeness[~same].flatten().numpy()


def scale_of(matched: np.ndarray, others: np.ndarray) -> dict[str, float]:
    """The logistic curve between cosines of what belongs together and of what does not: their two normal
    distributions, of one width (linear discriminant analysis, Fisher 1936)."""
    steepness = float((matched.mean() - others.mean()) / max(_spread(matched, others) ** 2, 1e-6))
    return {"middle": round(float(matched.mean() + others.mean()) / 2, 4), "steepness": round(steepness, 3)}


def _spread(matched: np.ndarray, others: np.ndarray) -> float:
    """Standard deviation of both about their own means."""
    both = float(matched.var()) * len(matched) + float(others.var()) * len(others)
    return math.sqrt(both / (len(matched) + len(others)))


def _as_drawn(place: Image.Image) -> tuple[Image.Image, Image.Image]:
    """The place in another light, and seen from nearer and softer."""
    lit = Image.blend(ImageEnhance.Brightness(place).enhance(0.8), Image.new("RGB", place.size, _WARM), 0.15)
    left, top = place.width // 12, place.height // 16
    near = place.crop((left, top, place.width - top, place.height - left)).resize(place.size, Image.Resampling.BICUBIC)
    return lit, near.filter(ImageFilter.GaussianBlur(place.width / 160))


def _with_somebody(place: Image.Image) -> Image.Image:
    """Covered where a person with a product stands in most framings."""
    mask = Image.new("L", place.size)
    width, height = place.size
    draw = ImageDraw.Draw(mask)
    draw.ellipse((0.33 * width, 0.1 * height, 0.67 * width, 0.5 * height), fill=255)
    draw.rectangle((0.22 * width, 0.48 * height, 0.78 * width, height), fill=255)
    return covered(place, mask)
