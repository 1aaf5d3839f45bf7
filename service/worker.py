"""The one thread that holds the models: loads the bundle, then takes jobs from the queue until it is closed."""

from __future__ import annotations

import logging
import platform
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from brief.recipe import RECIPE_VERSION
from brief.types import BundleInfo, MadeBy
from service.job_queue import JobQueue, QueuedJob
from service.protocol import ItemResult
from service.settings import ServiceSettings
from service.telemetry import Metrics
from storage.bucket.objects import Objects

if TYPE_CHECKING:
    import torch

    from service.runner import JobRunner

_LOG = logging.getLogger(__name__)


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
        from generation.bundle.load import have_libraries_log_here
        from generation.studio import Studio
        from service.runner import Bucket, JobRunner

        have_libraries_log_here()
        started = time.monotonic()
        try:
            studio = Studio.open(
                self._settings.bundle, batch=self._settings.batch, compile_blocks=self._settings.compile_blocks
            )
        except Exception as error:
            self.health = Health(Readiness.FAILED, f"the bundle in {self._settings.bundle} cannot be loaded: {error}")
            _LOG.exception("the bundle cannot be loaded; fix it or set LOOKBOOK_BUNDLE, and start again")
            return
        self.bundle = studio.info
        self._metrics.watch(studio.counts)
        self.health = Health(Readiness.READY)
        seconds = round(time.monotonic() - started, 1)
        _LOG.info("ready", extra={"bundle": self.bundle.name, "device": str(studio.device), "seconds": seconds})
        bucket = Bucket(Objects(self._settings.objects), made_by(studio.info, studio.device))
        runner = JobRunner(studio, bucket, self._settings.batch, self._metrics)
        with ThreadPoolExecutor(1, thread_name_prefix="ending") as ending:
            before: Future[None] | None = None
            while queued := self._queue.next():
                began = time.monotonic()
                end = partial(self._end_job, queued, self._made(queued, runner), began)
                if before is not None:
                    before.result()  # of two jobs at most there are pictures in memory that wait to be written
                before = ending.submit(end)
        runner.close()
        self.health = Health(Readiness.STOPPED, "shutting down")

    def _made(self, queued: QueuedJob, runner: JobRunner) -> list[Future[None]]:
        """Have a job's items made; returns what is still being written, or what went wrong."""
        writing: list[Future[None]] = []
        try:
            runner.run(queued, self._queue, writing)
        except Exception as error:
            broken: Future[None] = Future()
            broken.set_exception(error)
            writing.append(broken)
        return writing

    def _end_job(self, queued: QueuedJob, writing: Sequence[Future[None]], started: float) -> None:
        """The job is over once everything is written; the next is being made meanwhile."""
        wait(writing)
        for error in filter(None, (future.exception() for future in writing)):
            _LOG.error("job %s met a fault of the service itself", queued.id, exc_info=error)
            answered = {result.key for result in queued.results}
            for item in queued.items:
                if item.key not in answered:
                    fault = f"the generation service failed ({type(error).__name__}: {error}); see its log"
                    self._queue.add(queued, ItemResult(item.key, error=fault, transient=True))
        job = self._queue.finish(queued)
        self._metrics.job(job)
        fields = {"job": job.id, "stage": job.stage.value, "items": job.total, "done": job.done}
        _LOG.info("job %s", job.state.value, extra={**fields, "seconds": round(time.monotonic() - started, 2)})


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
