"""The one thread that holds the models: loads the bundle, then takes jobs from the queue until it is closed. The work
of a job: inputs from the bucket, the studio, results into the bucket.

Outputs lie under keys that say all that decides them, so what is there already is kept and never made again; that
makes every job repeatable after any crash.
"""

from __future__ import annotations

import logging
import platform
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from brief.recipe import RECIPE_VERSION
from brief.types import BundleInfo, MadeBy
from generation.scene.material import Material, Result
from generation.studio import Studio
from service.bucket import Bucket
from service.job_queue import JobQueue, QueuedJob
from service.protocol import FaceItem, Item, ItemResult, PlannedElsewhere, Stage, check_key
from service.settings import ServiceSettings
from service.telemetry import Metrics
from storage.bucket.errors import ObjectDiffers, ObjectError, ObjectMissing
from storage.bucket.objects import Objects

if TYPE_CHECKING:
    import torch

_LOG = logging.getLogger(__name__)
_THREADS = 4
"""Fetching and storing run beside the models, so that these do not wait for the bucket."""

Fetched = ItemResult | Material | None
"""What is known of an item before the studio gets it: done already, its images, or nothing needed (a portrait)."""


class Work:
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

    def run(self, queued: QueuedJob, queue: JobQueue) -> None:
        """Work through the items, noting each in ``queue`` as it is done; stops between batches when told to."""
        chunks = [queued.items[start : start + self._batch] for start in range(0, len(queued.items), self._batch)]
        writing: list[Future[None]] = []
        coming = self._ask_for(queued.stage, chunks[0]) if chunks else []
        for chunk, after in zip(chunks, [*chunks[1:], []], strict=True):
            if not queue.goes_on(queued):
                break
            fetched = [future.result() for future in coming]
            coming = self._ask_for(queued.stage, after)
            for item, outcome in self._made(queued.stage, chunk, fetched):
                writing.append(self._pool.submit(self._finish, queued, item, outcome, queue))
        for future in writing:
            future.result()

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
        except (ObjectError, PlannedElsewhere) as error:
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
        said = {"job": queued.id, "stage": queued.stage.value, "item": item.name, "key": item.key}
        if outcome.error:
            _LOG.warning("item failed: %s", outcome.error, extra=said)
        else:
            said["seconds"] = f"{outcome.seconds:.3f}"
            _LOG.info("item kept" if outcome.kept else "item made", extra=said)


def _failed(item: Item, error: Exception) -> ItemResult:
    """The result of an item that met ``error``: a bucket that is gone or refuses is no fault of the item."""
    transient = isinstance(error, ObjectError) and not isinstance(error, ObjectMissing | ObjectDiffers)
    return ItemResult(item.key, error=f"{item.name}: {error}", transient=transient)


class Readiness(StrEnum):
    """Where the worker is."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the service can work; ``reason`` in words where it cannot."""

    state: Readiness
    reason: str = ""


class Worker:
    """Loads the bundle of ``settings`` once and works on the jobs of ``queue``."""

    def __init__(self, settings: ServiceSettings, queue: JobQueue, metrics: Metrics) -> None:
        self.health = Health(Readiness.LOADING, f"loading the bundle in {settings.bundle}")
        self.bundle: BundleInfo | None = None
        self._settings = settings
        self._queue = queue
        self._metrics = metrics
        self._thread = threading.Thread(target=self._run, name="studio", daemon=True)

    def start(self) -> None:
        """Begin to load, in the background."""
        self._thread.start()

    def stop(self, grace: float) -> None:
        """Let the batch that is in flight finish, for at most ``grace`` seconds; objects are written whole or not at
        all, so that nothing half-made stays if it does not."""
        self._queue.close()
        self._thread.join(grace)
        if self._thread.is_alive():
            _LOG.warning("the batch in flight is left undone after %.0f s; its items will be made again", grace)

    def _run(self) -> None:
        # The models' libraries are imported here, so that /health answers while they load.
        from generation.studio import Studio
        from service.bucket import Bucket
        from service.worker import Work

        started = time.monotonic()
        try:
            studio = Studio.open(self._settings.bundle, batch=self._settings.batch)
        except Exception as error:
            self.health = Health(Readiness.FAILED, f"the bundle in {self._settings.bundle} cannot be loaded: {error}")
            _LOG.exception("the bundle cannot be loaded; mend it or set LOOKBOOK_BUNDLE, and start again")
            return
        self.bundle = studio.info
        self._metrics.watch(studio.counts)
        self.health = Health(Readiness.READY)
        seconds = round(time.monotonic() - started, 1)
        _LOG.info("ready", extra={"bundle": self.bundle.name, "device": str(studio.device), "seconds": seconds})
        bucket = Bucket(Objects(self._settings.objects), made_by(studio.info, studio.device))
        work = Work(studio, bucket, self._settings.batch, self._metrics)
        while queued := self._queue.next():
            self._work_on(queued, work)
        work.close()
        self.health = Health(Readiness.STOPPED, "shutting down")

    def _work_on(self, queued: QueuedJob, work: Work) -> None:
        started = time.monotonic()
        try:
            work.run(queued, self._queue)
        except Exception as error:
            _LOG.exception("job %s met a fault of the service itself", queued.id)
            answered = {result.key for result in queued.results}
            for item in queued.items:
                if item.key not in answered:
                    fault = f"the generation service failed ({type(error).__name__}: {error}); see its log"
                    self._queue.add(queued, ItemResult(item.key, error=fault, transient=True))
        job = self._queue.finish(queued)
        self._metrics.job(job)
        said = {"job": job.id, "stage": job.stage.value, "items": job.total, "done": job.done}
        _LOG.info("job %s", job.state.value, extra={**said, "seconds": round(time.monotonic() - started, 2)})


_NAMED = ("lookbook", "torch", "diffusers", "transformers", "pillow")


def made_by(bundle: BundleInfo, device: torch.device) -> MadeBy:
    """What this process notes with each output."""
    import torch

    software = {"python": platform.python_version()}
    for name in _NAMED:
        with suppress(PackageNotFoundError):
            software[name] = version(name)
    where = str(device)
    if device.type == "cuda":
        where += f": {torch.cuda.get_device_name(device)}"
    return MadeBy(bundle, RECIPE_VERSION, software, where)
