"""The runner's order of things, with a studio and a bucket that do as told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from types import SimpleNamespace
from typing import Any, cast

import pytest

from brief.recipe import portrait_key
from brief.types import Persona
from generation.scene.material import Result
from generation.studio import Studio
from service.job_queue import JobQueue, QueuedJob
from service.protocol import FaceItem, ItemResult, Stage
from service.runner import Bucket, JobRunner
from service.telemetry import Metrics
from tests.generation.conftest import picture
from tests.storage.samples import persona

FINGERPRINT = "f" * 32


class SlowBucket:
    """Writes nothing before it is let."""

    def __init__(self) -> None:
        self.open = threading.Event()

    def kept(self, stage: Stage, item: FaceItem) -> None:
        return None

    def store(self, stage: Stage, item: FaceItem, result: Result) -> ItemResult:
        assert self.open.wait(30)
        return ItemResult(item.key, f"{item.key}.png")


class Faces:
    """A studio that draws portraits, or fails after the first."""

    card = SimpleNamespace(fingerprint=FINGERPRINT)

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken

    def faces(self, personas: dict[str, Persona]) -> Iterator[Result]:
        for number, key in enumerate(personas):
            if self.broken and number:
                raise RuntimeError("the card fell off the bus")
            yield Result(key, picture(number))


@pytest.fixture
def bucket() -> Iterator[SlowBucket]:
    slow = SlowBucket()
    yield slow
    slow.open.set()


def queued() -> QueuedJob:
    people = [persona(name, seed=number) for number, name in enumerate(("ana", "ben"))]
    return QueuedJob("job", Stage.FACE, [FaceItem(portrait_key(each, FINGERPRINT), each) for each in people], "")


def runner(studio: Faces, bucket: SlowBucket) -> JobRunner:
    return JobRunner(cast("Studio", studio), cast("Bucket", bucket), 2, Metrics(lambda: 0))


def test_the_models_do_not_wait_for_the_last_writes(bucket: SlowBucket) -> None:
    job, writing = queued(), list[Future[Any]]()
    runner(Faces(), bucket).run(job, JobQueue(1), writing)
    assert (len(writing), job.results) == (2, [])
    bucket.open.set()
    wait(writing, 30)
    assert {result.key for result in job.results} == {item.key for item in job.items}


def test_what_was_made_before_a_fault_of_the_service_is_still_written(bucket: SlowBucket) -> None:
    job, writing = queued(), list[Future[Any]]()
    with pytest.raises(RuntimeError, match="fell off"):
        runner(Faces(broken=True), bucket).run(job, JobQueue(1), writing)
    bucket.open.set()
    wait(writing, 30)
    assert [result.object for result in job.results] == [f"{job.items[0].key}.png"]
