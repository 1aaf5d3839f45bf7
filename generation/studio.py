"""The studio: one loaded bundle that runs stages on batches, and says what it did.

Every stage takes any number of items and yields one :class:`generation.scene.material.Result` per item as soon as its
batch is done, in any order. An item that fails is a result with its reason; the others go on. Stop iterating to cancel.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch

from brief.types import BundleInfo, Persona
from generation.bundle.card import BundleCard
from generation.compose import compose_pictures, lay_out
from generation.counts import Counts
from generation.explain import explain_take
from generation.face import draw_portraits
from generation.models import Models
from generation.refine import Draft, begin, refine_pictures
from generation.scene.material import Material, Result
from generation.scene.scene import Scene
from generation.score.measure import score_picture

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


class Studio:
    """A loaded bundle with its caches; not for use by several threads at once.

    Args:
        models: from :meth:`generation.models.Models.open`.
        batch: most pictures that are drawn together.
    """

    def __init__(self, models: Models, batch: int = 8) -> None:
        self._models = models
        self._batch = min(batch, models.painter.most)
        self._most: dict[str, int] = {}

    @classmethod
    def open(
        cls, folder: Path | str, device: str | None = None, batch: int = 8, *, compile_blocks: bool = False
    ) -> Studio:
        """Load the bundle in ``folder``; see :meth:`generation.models.Models.open` for errors."""
        return cls(Models.open(folder, device, compile_blocks=compile_blocks), batch)

    @property
    def card(self) -> BundleCard:
        """What the bundle says of itself."""
        return self._models.painter.card

    @property
    def info(self) -> BundleInfo:
        """What callers are told of the bundle and of what measures its pictures."""
        return replace(self.card.info, scorers=self._models.scoring.fingerprint)

    @property
    def device(self) -> torch.device:
        """Where the models run."""
        return self._models.painter.device

    @property
    def counts(self) -> Counts:
        """Loads, forwards, cache hits, pictures and seconds since the bundle was loaded."""
        return self._models.painter.counts

    def faces(self, personas: Mapping[str, Persona]) -> Iterator[Result]:
        """A portrait of each persona, by portrait key."""
        for part in _parts(list(personas.items()), self._batch):
            yield from self._together("face", part, lambda pair: pair[0], self._portray)

    def compose(self, takes: Sequence[Material]) -> Iterator[Result]:
        """The composed picture of each take, product pixels in place; ``picture`` is not needed."""
        for part in _parts(takes, self._batch):
            scenes: list[Scene] = []
            for laid in self._each("compose", part, lambda take: lay_out(self._models.painter, take)):
                if isinstance(laid, Result):
                    yield laid
                else:
                    scenes.append(laid)
            if scenes:
                yield from self._together("compose", scenes, lambda scene: scene.material.key, self._compose)

    def refine(self, takes: Sequence[Material]) -> Iterator[Result]:
        """The refined picture of each take, of the size the shot asks for; ``picture`` is the composed one."""
        for part in _parts(takes, self._batch):
            drafts: list[Draft] = []
            for draft in self._each("refine", part, lambda take: begin(self._models, take)):
                if isinstance(draft, Result):
                    yield draft
                else:
                    drafts.append(draft)
            if drafts:
                yield from self._together("refine", drafts, lambda draft: draft.scene.material.key, self._refine)

    def score(self, takes: Sequence[Material]) -> Iterator[Result]:
        """The measurements of each take; ``picture`` is the refined one."""
        yield from self._each("score", takes, self._score)

    def explain(self, takes: Sequence[Material]) -> Iterator[Result]:
        """Of each take, drawn again: a sheet of heat maps of its adapters, and how far each keeps to its region;
        ``picture`` is not needed."""
        yield from self._each("explain", takes, lambda take: explain_take(self._models.painter, take))

    def _score(self, material: Material) -> Result:
        return score_picture(self._models.scoring, self.card, material, self._models.painter.hint)

    def _portray(self, pairs: Sequence[tuple[str, Persona]]) -> list[Result]:
        portraits = draw_portraits(self._models, [persona for _, persona in pairs])
        return [
            Result(key, made.image, notes=made.notes, candidates=made.candidates)
            for (key, _), made in zip(pairs, portraits, strict=True)
        ]

    def _compose(self, scenes: Sequence[Scene]) -> list[Result]:
        pictures = compose_pictures(self._models.painter, scenes)
        return [
            Result(scene.material.key, image, composition=scene.composition)
            for scene, image in zip(scenes, pictures, strict=True)
        ]

    def _refine(self, drafts: Sequence[Draft]) -> list[Result]:
        return refine_pictures(self._models, drafts)

    def _each(self, stage: str, takes: Sequence[Material], work: Callable[[Material], _T]) -> Iterator[_T | Result]:
        """``work`` on each take by itself; what it raises becomes the take's result."""
        for take in takes:
            started = time.perf_counter()
            made: _T | Result
            try:
                made = work(take)
            except Exception as error:
                made = Result(take.key, error=_reason(stage, error))
            seconds = time.perf_counter() - started
            self.counts.add_seconds(stage, seconds)
            if isinstance(made, Result):
                self.counts.images[stage] += made.error is None
                made = replace(made, seconds=seconds)
            yield made

    def _together(
        self, stage: str, items: Sequence[_T], key: Callable[[_T], str], make: Callable[[Sequence[_T]], list[Result]]
    ) -> list[Result]:
        """``make`` on a batch. One that does not fit into memory is halved, and no later one is larger; one that
        fails otherwise is tried item by item, so that only the item fails whose fault it is."""
        results: list[Result] = []
        waiting = list(_parts(items, self._most.get(stage, len(items))))
        while waiting:
            part = waiting.pop(0)
            made = self._attempt(stage, part, key, make)
            if not isinstance(made, _Failed):
                results += made
                continue
            # Out of the except clause: nothing of the failed batch is alive any more, so that it can be freed.
            _free_memory()
            size = len(part) // 2 if made.for_memory else 1
            if made.for_memory:
                self._most[stage] = size
            _LOG.warning("%s: a batch of %d failed (%s); going on with %d", stage, len(part), made.reason, size)
            limit = self._most.get(stage, len(items))
            waiting = [*_parts(part, size), *(smaller for rest in waiting for smaller in _parts(rest, limit))]
        return results

    def _attempt(
        self, stage: str, items: Sequence[_T], key: Callable[[_T], str], make: Callable[[Sequence[_T]], list[Result]]
    ) -> list[Result] | _Failed:
        """What ``make`` makes, or why it failed; the failure of a single item is its result."""
        started = time.perf_counter()
        try:
            made = make(items)
        except Exception as error:
            if len(items) > 1:
                return _Failed(_is_memory(error), f"{type(error).__name__}: {error}")
            made = [Result(key(items[0]), error=_reason(stage, error))]
        seconds = time.perf_counter() - started
        self.counts.add_seconds(stage, seconds)
        self.counts.images[stage] += sum(result.error is None for result in made)
        return [replace(result, seconds=seconds / len(items)) for result in made]


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why a batch failed, in words: the error itself would keep the batch's tensors alive."""

    for_memory: bool
    reason: str


def _is_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _reason(stage: str, error: Exception) -> str:
    """Why an item failed, for its owner; what no owner can fix is logged with its trace."""
    if isinstance(error, ValueError | OSError):
        return str(error)
    if _is_memory(error):
        return (
            f"{stage}: one picture of this size does not fit into memory; ask for a smaller one or take a larger card"
        )
    _LOG.error("%s failed unexpectedly", stage, exc_info=error)
    return f"{stage} failed: {type(error).__name__}: {error}"


def _parts(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
