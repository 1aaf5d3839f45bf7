"""The work of one job: inputs from the bucket, the studio, results into the bucket.

Outputs lie under keys that say all that decides them, so what is there already is kept and never made again; that
makes every job repeatable after any crash.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

from PIL import Image
from pydantic import TypeAdapter, ValidationError

from brief.types import Composition, MadeBy, Measurements, Shot, Take, campaign_images
from generation.scene.material import Material, Result
from generation.studio import Studio
from service.job_queue import JobQueue, QueuedJob
from service.protocol import FaceItem, Item, ItemResult, KeyMismatch, Stage, TakeItem, check_key
from service.telemetry import Metrics
from storage.bucket import keys as object_keys
from storage.bucket.errors import ObjectDamaged, ObjectError, ObjectMissing
from storage.bucket.keys import COMPOSITION, STEPS
from storage.bucket.objects import ObjectFacts, Objects

_LOG = logging.getLogger(__name__)
_MADE_BY, _MEASURES = "made-by", "measured"
"""Names of the notes beside an object: who made it, and what was measured with a picture."""
_COMPOSITION = TypeAdapter(Composition)
_MAKER, _MEASURED = TypeAdapter(MadeBy), TypeAdapter(Measurements)
_REMEMBERED = 16
"""Packshots, photos and portraits that are kept in memory: the items of a shard share many of them."""
_THREADS = 4
"""Fetching and storing run beside the models, so that these do not wait for the bucket."""

Fetched = ItemResult | Material | None
"""What is known of an item before the studio gets it: done already, its images, or nothing needed (a portrait)."""


class JobRunner:
    """Runs jobs on a studio, one at a time.

    Args:
        batch: items that are fetched and worked on together; between batches a job can be cancelled.
    """

    def __init__(self, studio: Studio, bucket: Bucket, batch: int, metrics: Metrics) -> None:
        self._studio = studio
        self._bucket = bucket
        self._batch = batch
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="bucket")

    def run(self, queued: QueuedJob, queue: JobQueue, writing: list[Future[None]]) -> None:
        """Work through the items, noting each in ``queue`` as it is done; stops between batches when told to.

        Args:
            writing: gets what may still be under way at the end, since the models need not wait for the last writes.
        """
        chunks = [queued.items[start : start + self._batch] for start in range(0, len(queued.items), self._batch)]
        coming = self._ask_for(queued.stage, chunks[0]) if chunks else []
        for chunk, after in zip(chunks, [*chunks[1:], []], strict=True):
            if not queue.goes_on(queued):
                break
            fetched = [future.result() for future in coming]
            coming = self._ask_for(queued.stage, after)
            for item, outcome in self._made(queued.stage, chunk, fetched):
                writing.append(self._pool.submit(self._finish, queued, item, outcome, queue))

    def close(self) -> None:
        """End the threads, after the writes that are under way."""
        self._pool.shutdown(cancel_futures=True)

    def _ask_for(self, stage: Stage, items: Sequence[Item]) -> list[Future[Fetched]]:
        return [self._pool.submit(self._fetch, stage, item) for item in items]

    def _fetch(self, stage: Stage, item: Item) -> Fetched:
        try:
            check_key(item, self._studio.card.fingerprint)
            kept = self._bucket.kept(stage, item)
            if kept is not None:
                return kept
            return None if isinstance(item, FaceItem) else self._bucket.fetch(stage, item)
        except (ObjectError, KeyMismatch) as error:
            return _failed(item, error)

    def _made(
        self, stage: Stage, items: Sequence[Item], fetched: Sequence[Fetched]
    ) -> Iterator[tuple[Item, ItemResult | Result]]:
        """Outcome of each item: what was known before, and what the studio makes of the rest, as it makes it."""
        todo: dict[str, tuple[Item, Material | None]] = {}
        for item, known in zip(items, fetched, strict=True):
            if isinstance(known, ItemResult):
                yield item, known
            else:
                todo[item.key] = (item, known)
        if todo:
            for result in self._shoot(stage, todo):
                yield todo[result.key][0], result

    def _shoot(self, stage: Stage, todo: dict[str, tuple[Item, Material | None]]) -> Iterator[Result]:
        if stage is Stage.FACE:
            faces = [item for item, _ in todo.values() if isinstance(item, FaceItem)]
            return self._studio.faces({item.key: item.persona for item in faces})
        takes = [inputs for _, inputs in todo.values() if inputs is not None]
        if stage is Stage.COMPOSE:
            return self._studio.compose(takes)
        if stage is Stage.EXPLAIN:
            return self._studio.explain(takes)
        return self._studio.refine(takes) if stage is Stage.REFINE else self._studio.score(takes)

    def _finish(self, queued: QueuedJob, item: Item, outcome: ItemResult | Result, queue: JobQueue) -> None:
        """Store what was made, and tell everybody."""
        if isinstance(outcome, Result):
            try:
                outcome = self._bucket.store(queued.stage, item, outcome)
            except ObjectError as error:
                outcome = _failed(item, error)
        queue.add(queued, outcome)
        self._metrics.item(queued.stage, outcome)
        fields = {"job": queued.id, "stage": queued.stage.value, "item": item.name, "key": item.key}
        if outcome.error:
            _LOG.warning("item failed: %s", outcome.error, extra=fields)
        else:
            fields["seconds"] = f"{outcome.seconds:.3f}"
            _LOG.info("item kept" if outcome.kept else "item made", extra=fields)


def _failed(item: Item, error: Exception) -> ItemResult:
    """The result of an item that met ``error``: a bucket that does not answer or refuses is no fault of the item."""
    transient = isinstance(error, ObjectError) and not isinstance(error, ObjectMissing | ObjectDamaged)
    return ItemResult(item.key, error=str(error) or repr(error), transient=transient)


class Bucket:
    """Between the studio and the bucket: what exists already, inputs to fetch, outputs to store."""

    def __init__(self, objects: Objects, made_by: MadeBy) -> None:
        self._objects = objects
        self._made_by = made_by
        self._notes = {_MADE_BY: _MAKER.dump_json(made_by, ensure_ascii=True).decode()}
        self._input = lru_cache(maxsize=_REMEMBERED)(objects.get)

    def kept(self, stage: Stage, item: Item) -> ItemResult | None:
        """The item's result if its output exists, else ``None``; a portrait the team brought always exists."""
        if isinstance(item, FaceItem) and item.persona.portrait is not None:
            brought = item.persona.portrait
            return ItemResult(item.key, brought.key, brought.sha256, kept=True)
        key = self._output(stage, item)
        facts = self._objects.head(key)
        if facts is None:
            return None
        if stage is not Stage.SCORE:
            sha256 = facts.sha256 or self._objects.sha256(key)
            measured = _MEASURED.validate_json(facts.notes[_MEASURES]) if _MEASURES in facts.notes else None
            return ItemResult(item.key, key, sha256, kept=True, measured=measured, made_by=_noted(facts))
        try:
            data = self._objects.get(key)
            measured = _MEASURED.validate_json(data)
        except (ObjectDamaged, ValidationError) as error:
            _LOG.warning("%s: the measurements %r are damaged (%s) and made again", item.name, key, error)
            self._objects.delete(key)
            return None
        sha256 = hashlib.sha256(data).hexdigest()
        return ItemResult(item.key, key, sha256, kept=True, measured=measured, made_by=_noted(facts))

    def fetch(self, stage: Stage, item: TakeItem) -> Material:
        """The images that a stage needs, as files' bytes, each verified by its SHA-256.

        Raises:
            storage.bucket.errors.ObjectError: one cannot be had; the message names its object.
        """
        shot = item.shot
        picture = _input(stage, item.take)
        return Material(
            shot=shot,
            take=item.take,
            packshot=self._input(shot.product.packshot.key, shot.product.packshot.sha256),
            photo=self._input(shot.environment.photo.key, shot.environment.photo.sha256),
            portrait=self._portrait(shot),
            picture=self._objects.get(picture) if picture else None,
            references={role: self._input(each.key, each.sha256) for role, each in campaign_images(shot).items()},
        )

    def store(self, stage: Stage, item: Item, result: Result) -> ItemResult:
        """Write what the studio made; what another run wrote first under the same key stays."""
        if result.error is not None:
            return ItemResult(item.key, seconds=result.seconds, error=result.error)
        key = self._output(stage, item)
        for number, candidate in enumerate(result.candidates, 1):
            # Before the portrait, so that one that is there has all its candidates.
            name = f"{object_keys.candidates(result.key)}{number}.png"
            self._objects.put(name, _png(candidate), object_keys.content_type(name), keep_first=True, notes=self._notes)
        if result.cutout is not None and isinstance(item, TakeItem):
            name = object_keys.cut_product(item.shot.product.packshot.sha256)
            if self._objects.head(name) is None:
                self._objects.put(name, _png(result.cutout), object_keys.content_type(name), notes=self._notes)
        notes = self._notes
        if result.composition is not None:
            notes = {**notes, COMPOSITION: _COMPOSITION.dump_json(result.composition).decode()}
        if result.notes:
            notes = {**notes, STEPS: _within(result.notes)}
        if result.image is not None and result.measured is not None:
            notes = {**notes, _MEASURES: _MEASURED.dump_json(result.measured).decode()}
        measured = result.measured
        data = _MEASURED.dump_json(measured, indent=1) if measured and not result.image else _png(result.image)
        stored = self._objects.put(key, data, object_keys.content_type(key), keep_first=True, notes=notes)
        made_by = self._made_by
        return ItemResult(
            item.key, key, stored.sha256, result.seconds, stored.kept, measured=result.measured, made_by=made_by
        )

    def _output(self, stage: Stage, item: Item) -> str:
        if isinstance(item, FaceItem):
            return object_keys.portrait(item.portrait_key)
        if stage is Stage.SCORE:
            return object_keys.measurements(item.take, self._made_by.bundle.scorers)
        if stage is Stage.EXPLAIN:
            return object_keys.attribution(item.take)
        return object_keys.composed(item.take) if stage is Stage.COMPOSE else object_keys.refined(item.take)

    def _portrait(self, shot: Shot) -> bytes | None:
        if shot.persona is None or shot.portrait_key is None:
            return None
        if shot.persona.portrait is not None:
            return self._input(shot.persona.portrait.key, shot.persona.portrait.sha256)
        return self._input(object_keys.portrait(shot.portrait_key))


def _noted(facts: ObjectFacts) -> MadeBy | None:
    """Who made an object, as its metadata says; ``None`` where they do not."""
    try:
        return _MAKER.validate_json(facts.notes.get(_MADE_BY, ""))
    except ValidationError:
        return None


def _input(stage: Stage, take: Take) -> str | None:
    """Key of what the stage before made."""
    if stage is Stage.REFINE:
        return object_keys.composed(take)
    return object_keys.refined(take) if stage is Stage.SCORE else None


_MOST_STEPS = 900
"""Characters: S3 keeps 2 KB beside an object, and who made it is there too."""


def _within(notes: Sequence[str]) -> str:
    """As many of the notes as there is room for, as JSON."""
    kept = list(notes)
    while len(json.dumps(kept)) > _MOST_STEPS:
        kept.pop()
    return json.dumps(kept)


def _png(image: Image.Image | None) -> bytes:
    if image is None:
        raise ValueError("the studio gave neither a picture nor a reason")
    data = io.BytesIO()
    # Level 3 takes a third of the time of Pillow's own 6, for files a few per cent larger.
    image.save(data, "PNG", compress_level=3)
    return data.getvalue()
