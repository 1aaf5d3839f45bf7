"""The jobs of one service: a bounded queue in front of one worker, and the finished ones for those who still ask."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from brief.errors import ServiceError
from service.protocol import ItemResult, Job, JobState, Stage

REMEMBERED = 1000
"""Finished jobs that are still answered for; a caller who comes later submits again and finds its outputs kept."""


class QueueFull(ServiceError):
    """As many jobs wait as the queue holds."""


class JobDiffers(ServiceError):
    """The id is taken by a job with other items or another stage."""


@dataclass(slots=True)
class QueuedJob:
    """A job inside the service. Only :class:`JobQueue` changes it, under its lock."""

    id: str
    stage: Stage
    items: Sequence[Any]
    body: str
    state: JobState = JobState.QUEUED
    results: list[ItemResult] = field(default_factory=list)
    cancelled: bool = False

    def answer(self) -> Job:
        return Job(self.id, self.stage, self.state, len(self.items), len(self.results), tuple(self.results))

    @property
    def unfinished(self) -> bool:
        """Whether asking again makes sense: it was cancelled, or an item met an error that may have passed."""
        return self.state is JobState.CANCELLED or (
            self.state is JobState.DONE and any(result.transient for result in self.results)
        )


class JobQueue:
    """Jobs by id, waiting ones in the order in which they came. All methods may be called from any thread."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._jobs: OrderedDict[str, QueuedJob] = OrderedDict()
        self._waiting: deque[QueuedJob] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def submit(self, job: str, stage: Stage, items: Sequence[Any], body: str) -> Job:
        """Take in a job; ``body`` identifies what is asked, so that the same id can never mean two things.

        The same id and body give the job as it stands (one that was to end after its batch goes on). If it ended
        cancelled, or if items met an error that may have passed, it is queued again: outputs that exist are kept, so
        that only what is missing is made.

        Raises:
            JobDiffers: the id is taken by other work.
            QueueFull: too many jobs wait.
        """
        with self._changed:
            known = self._jobs.get(job)
            if known is not None and known.body != body:
                raise JobDiffers
            if known is not None and not known.unfinished:
                known.cancelled = False
                return known.answer()
            if len(self._waiting) >= self.size:
                raise QueueFull
            queued = QueuedJob(job, stage, items, body)
            self._jobs[job] = queued
            self._jobs.move_to_end(job)
            self._waiting.append(queued)
            self._forget()
            self._changed.notify()
            return queued.answer()

    def get(self, job: str) -> Job | None:
        """The job as it stands, or ``None``."""
        with self._changed:
            queued = self._jobs.get(job)
            return queued.answer() if queued else None

    def cancel(self, job: str) -> Job | None:
        """End a job: a waiting one at once, a running one after its batch. One that is over stays as it is."""
        with self._changed:
            queued = self._jobs.get(job)
            if queued is None:
                return None
            if queued.state is JobState.QUEUED:
                self._waiting.remove(queued)
                queued.state = JobState.CANCELLED
            queued.cancelled = True
            return queued.answer()

    def next(self) -> QueuedJob | None:
        """Wait for a job and mark it running; ``None`` once the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            queued = self._waiting.popleft()
            queued.state = JobState.RUNNING
            return queued

    def add(self, queued: QueuedJob, result: ItemResult) -> None:
        """Note what became of one item."""
        with self._changed:
            queued.results.append(result)

    def goes_on(self, queued: QueuedJob) -> bool:
        """Whether the worker shall begin another batch of this job."""
        with self._changed:
            return not (queued.cancelled or self._closed)

    def finish(self, queued: QueuedJob) -> Job:
        """Mark a running job as over."""
        with self._changed:
            complete = len(queued.results) == len(queued.items)
            queued.state = JobState.DONE if complete else JobState.CANCELLED
            return queued.answer()

    def close(self) -> None:
        """Let the worker end after the batch that is in flight."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def depth(self) -> int:
        """Jobs that wait."""
        with self._changed:
            return len(self._waiting)

    @property
    def working(self) -> bool:
        """Whether a job is being worked on."""
        with self._changed:
            return any(queued.state is JobState.RUNNING for queued in self._jobs.values())

    def _forget(self) -> None:
        over = [job for job, queued in self._jobs.items() if queued.state.over]
        for job in over[: max(0, len(over) - REMEMBERED)]:
            del self._jobs[job]
