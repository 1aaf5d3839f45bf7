"""One job at the generation service, followed to its end by a light process.

The waiting is done here and not by an Airflow trigger: see ``benchmarks/deferral.md``.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from brief.errors import PipelineError, ServiceError
from service.client import GenerationClient, JobNotFound, ServiceUnreachable
from service.protocol import MAX_ITEMS, ItemResult, Job, JobState, Stage, job_id

_LOG = logging.getLogger(__name__)
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
"""Seconds between two looks at a job: short jobs are not kept waiting, long ones are not asked too often."""
DOWNTIME_SECONDS = 180.0
"""Seconds for which a service that was there may be away, as while it restarts and loads its models."""


class StageUnfinished(PipelineError):
    """Some items were not made, through no fault of theirs; the next attempt makes only these."""


def run_stage(
    service: GenerationClient,
    run_id: str,
    stage: Stage,
    items: Mapping[str, Mapping[str, Any]],
    record: Callable[[ItemResult], None],
    names: Mapping[str, str] | None = None,
) -> None:
    """Have ``items`` (by key) made, calling ``record`` for each as soon as it is made or has failed for good.

    ``names`` say in a person's words what the items are, for the log; the others go by their keys.

    More items than a job may have are several jobs, one after the other. When this process is told to end (SIGTERM, a
    task's time limit), the job is cancelled.

    Raises:
        StageUnfinished: the bucket or the service let some items down, or somebody cancelled the job.
        ServiceError: the service refuses, or is away for longer than :data:`DOWNTIME_SECONDS`.
    """
    keys = list(items)
    for start in range(0, len(keys), MAX_ITEMS):
        part = {key: items[key] for key in keys[start : start + MAX_ITEMS]}
        _FollowedJob(service, job_id(run_id, stage, list(part)), stage, part, record, names or {}).run()


@dataclass(frozen=True, slots=True)
class _FollowedJob:
    """One job, submitted and followed to its end; see :func:`run_stage`."""

    service: GenerationClient
    id: str
    stage: Stage
    items: Mapping[str, Mapping[str, Any]]
    record: Callable[[ItemResult], None]
    names: Mapping[str, str]

    def run(self) -> None:
        with _ending_on_sigterm():
            try:
                self._follow()
            except Exception:
                raise  # the job may go on: the next attempt joins it
            except BaseException:
                with suppress(ServiceError):
                    self.service.cancel(self.id)
                _LOG.warning("%s: told to end; cancelled job %s at %s", self.stage.value, self.id, self.service.url)
                raise

    def _submit(self) -> Job:
        return self.service.submit(self.id, self.stage, list(self.items.values()))

    def _follow(self) -> None:
        waiting = dict(self.items)
        transient: dict[str, str] = {}
        now = self._submit()
        _LOG.info("%s: %d items at %s (job %s)", self.stage.value, len(self.items), self.service.url, self.id)
        pause = FIRST_PAUSE
        while True:
            for result in now.results:
                if result.transient:
                    transient[result.key] = str(result.error)
                elif waiting.pop(result.key, None) is not None:
                    self.record(result)
                    done = f"{len(self.items) - len(waiting)} of {len(self.items)}"
                    _say(self.stage, result, self.names.get(result.key, result.key), done)
            if now.state.over:
                break
            time.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 1.5)
            now = self._look()
        if waiting:
            cancelled = f"job {self.id} was cancelled" * (now.state is JobState.CANCELLED)
            why = next(iter(transient.values()), None) or cancelled
            left = f"{len(waiting)} of {len(self.items)} items are still to be made"
            raise StageUnfinished(f"{self.stage.value}: {left}: {why}")

    def _look(self) -> Job:
        """The job as it stands; a service that restarts is waited for, and given the job again if it forgot it."""
        attempts = Retrying(
            stop=stop_after_delay(DOWNTIME_SECONDS),
            wait=wait_fixed(LONGEST_PAUSE),
            retry=retry_if_exception_type(ServiceUnreachable),
            before_sleep=lambda state: _LOG.warning("%s: %s; waiting for it", self.stage.value, _error(state)),
            sleep=lambda seconds: time.sleep(seconds),
            reraise=True,
        )
        try:
            return attempts(self.service.job, self.id)
        except JobNotFound:
            _LOG.warning("%s: the service forgot job %s (a restart?); submitting it again", self.stage.value, self.id)
            return self._submit()


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _say(stage: Stage, result: ItemResult, name: str, how_far: str) -> None:
    if result.error:
        _LOG.error("%s %s: %s failed: %s", stage.value, how_far, name, result.error)
    elif result.kept:
        _LOG.info("%s %s: %s was there already", stage.value, how_far, name)
    else:
        _LOG.info("%s %s: %s in %.1f s", stage.value, how_far, name, result.seconds)


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM raise ``SystemExit`` meanwhile. Airflow's own handler calls a hook and lets the task go on, until
    it is killed and cannot cancel anything any more."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(*_: object) -> NoReturn:
    raise SystemExit("told to end by SIGTERM")
