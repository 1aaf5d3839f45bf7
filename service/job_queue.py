"""The jobs of one service: a bounded queue in front of one worker, and the finished ones for those who still ask."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from service.jobs import ItemResult, Job, JobState, Stage

REMEMBERED = 1000
"""Finished jobs that are still answered for; a caller who comes later submits again and finds its outputs kept."""


class QueueFull(Exception):
    """As many jobs wait as the queue holds."""


class JobDiffers(Exception):
    """The id is taken by a job with other items or another stage."""


@dataclass(slots=True)
class Ticket:
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
        self._tickets: OrderedDict[str, Ticket] = OrderedDict()
        self._waiting: deque[Ticket] = deque()
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
            known = self._tickets.get(job)
            if known is not None and known.body != body:
                raise JobDiffers
            if known is not None and not known.unfinished:
                known.cancelled = False
                return known.answer()
            if len(self._waiting) >= self.size:
                raise QueueFull
            ticket = Ticket(job, stage, items, body)
            self._tickets[job] = ticket
            self._tickets.move_to_end(job)
            self._waiting.append(ticket)
            self._forget()
            self._changed.notify()
            return ticket.answer()

    def get(self, job: str) -> Job | None:
        """The job as it stands, or ``None``."""
        with self._changed:
            ticket = self._tickets.get(job)
            return ticket.answer() if ticket else None

    def cancel(self, job: str) -> Job | None:
        """End a job: a waiting one at once, a running one after its batch. One that is over stays as it is."""
        with self._changed:
            ticket = self._tickets.get(job)
            if ticket is None:
                return None
            if ticket.state is JobState.QUEUED:
                self._waiting.remove(ticket)
                ticket.state = JobState.CANCELLED
            ticket.cancelled = True
            return ticket.answer()

    def next(self) -> Ticket | None:
        """Wait for a job and mark it running; ``None`` once the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            ticket = self._waiting.popleft()
            ticket.state = JobState.RUNNING
            return ticket

    def add(self, ticket: Ticket, result: ItemResult) -> None:
        """Note what became of one item."""
        with self._changed:
            ticket.results.append(result)

    def goes_on(self, ticket: Ticket) -> bool:
        """Whether the worker shall begin another batch of this job."""
        with self._changed:
            return not (ticket.cancelled or self._closed)

    def finish(self, ticket: Ticket) -> Job:
        """Mark a running job as over."""
        with self._changed:
            complete = len(ticket.results) == len(ticket.items)
            ticket.state = JobState.DONE if complete else JobState.CANCELLED
            return ticket.answer()

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

    def _forget(self) -> None:
        over = [job for job, ticket in self._tickets.items() if ticket.state.over]
        for job in over[: max(0, len(over) - REMEMBERED)]:
            del self._tickets[job]
