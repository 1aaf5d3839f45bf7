"""The studio: one loaded bundle that runs stages on batches, and says what it did.

Every stage takes any number of items and yields one :class:`generation.scene.material.Result` per item as soon as its
batch is done, in any order. An item that fails is a result with its reason; the others go on. Stop iterating to cancel.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from brief.types import Persona
from generation.bundle.load import Bundle, load
from generation.compose import Scene, draw_scenes, lay_out, to_samples
from generation.counts import Counts
from generation.face import draw_portraits
from generation.models import Models
from generation.painters.stable_diffusion.sample import Sample
from generation.refine import refine_pictures
from generation.scene.material import Material, Result, TakeInputs, read_material
from generation.score.scorecard import score_picture

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


class Studio:
    """A loaded bundle with its caches; not for use by several threads at once.

    Args:
        bundle: from :func:`generation.bundle.load.load`.
        batch: most pictures that are drawn together.
    """

    def __init__(self, bundle: Bundle, batch: int = 8) -> None:
        self.bundle = bundle
        self._batch = batch
        self._models = Models.of(bundle)

    @classmethod
    def open(cls, folder: Path | str, device: str | None = None, batch: int = 8) -> Studio:
        """Load the bundle in ``folder``; see :func:`generation.bundle.load.load` for errors."""
        return cls(load(folder, device), batch)

    @property
    def counts(self) -> Counts:
        """Loads, forwards, cache hits, pictures and seconds since the bundle was loaded."""
        return self.bundle.counts

    def faces(self, personas: Mapping[str, Persona]) -> Iterator[Result]:
        """A portrait of each persona, by portrait key."""
        for part in _parts(list(personas.items()), self._batch):
            yield from self._together("face", part, lambda pair: pair[0], self._portray)

    def compose(self, takes: Sequence[TakeInputs]) -> Iterator[Result]:
        """The composed picture of each take, product pixels in place; ``picture`` is not needed."""
        for part in _parts(takes, self._batch):
            scenes: list[Scene] = []
            for laid in self._each("compose", part, self._laid_out):
                if isinstance(laid, Result):
                    yield laid
                else:
                    scenes.append(laid)
            for group in self._groups(scenes):
                yield from self._together("compose", group, lambda pair: pair[0].key, self._draw)

    def refine(self, takes: Sequence[TakeInputs]) -> Iterator[Result]:
        """The refined picture of each take, of the size the shot asks for; ``picture`` is the composed one."""
        for part in _parts(takes, self._batch):
            ready: list[Material] = []
            for material in self._each("refine", part, self._with_picture):
                if isinstance(material, Result):
                    yield material
                else:
                    ready.append(material)
            if ready:
                yield from self._together("refine", ready, lambda item: item.inputs.take.key, self._refine)

    def score(self, takes: Sequence[TakeInputs]) -> Iterator[Result]:
        """The scorecard of each take; ``picture`` is the refined one."""
        for take in takes:
            yield from self._each("score", [take], lambda item: score_picture(self._models, item))

    def _laid_out(self, take: TakeInputs) -> Scene:
        return lay_out(self.bundle, read_material(self.bundle.card, take))

    def _with_picture(self, take: TakeInputs) -> Material:
        material = read_material(self.bundle.card, take)
        material.picture()
        return material

    def _refine(self, materials: Sequence[Material]) -> list[Result]:
        return refine_pictures(self._models, materials)

    def _portray(self, pairs: Sequence[tuple[str, Persona]]) -> list[Result]:
        images = draw_portraits(self._models, [persona for _, persona in pairs])
        return [Result(key, image) for (key, _), image in zip(pairs, images, strict=True)]

    def _draw(self, pairs: Sequence[tuple[Scene, Sample]]) -> list[Result]:
        scenes, samples = zip(*pairs, strict=True)
        pictures = draw_scenes(self.bundle, scenes, samples)
        return [Result(scene.key, image) for scene, image in zip(scenes, pictures, strict=True)]

    def _groups(self, scenes: Sequence[Scene]) -> list[list[tuple[Scene, Sample]]]:
        """Scenes that can share a batch."""
        if not scenes:
            return []
        groups: dict[Any, list[tuple[Scene, Sample]]] = defaultdict(list)
        for scene, sample in zip(scenes, to_samples(self._models, scenes), strict=True):
            groups[sample.group].append((scene, sample))
        return list(groups.values())

    def _each(self, stage: str, takes: Sequence[TakeInputs], work: Callable[[TakeInputs], _T]) -> Iterator[_T | Result]:
        """``work`` on each take by itself; what it raises becomes the take's result."""
        for take in takes:
            started = time.perf_counter()
            made: _T | Result
            try:
                made = work(take)
            except Exception as error:
                made = Result(take.take.key, error=_reason(stage, error))
            seconds = time.perf_counter() - started
            self.counts.add_seconds(stage, seconds)
            if isinstance(made, Result):
                self.counts.images[stage] += made.error is None
                made = replace(made, seconds=seconds)
            yield made

    def _together(
        self, stage: str, items: Sequence[_T], key: Callable[[_T], str], make: Callable[[Sequence[_T]], list[Result]]
    ) -> list[Result]:
        """``make`` on a batch; if that fails (for want of memory, mostly), on each item alone, so that one fails."""
        started = time.perf_counter()
        try:
            made = make(items)
        except Exception as error:
            if len(items) > 1:
                _LOG.warning("%s: a batch of %d failed (%s); trying one by one", stage, len(items), error)
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                return [result for item in items for result in self._together(stage, [item], key, make)]
            made = [Result(key(items[0]), error=_reason(stage, error))]
        seconds = time.perf_counter() - started
        self.counts.add_seconds(stage, seconds)
        self.counts.images[stage] += sum(result.error is None for result in made)
        return [replace(result, seconds=seconds / len(items)) for result in made]


def _reason(stage: str, error: Exception) -> str:
    """Why an item failed, for its owner; what no owner can mend is logged with its trace."""
    if isinstance(error, ValueError | OSError):
        return str(error)
    _LOG.error("%s failed unexpectedly", stage, exc_info=error)
    return f"{stage} failed: {type(error).__name__}: {error}"


def _parts(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
