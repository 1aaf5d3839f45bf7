"""Following a job when the service falters. The service is scripted: each test provokes one fault."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import asdict

import httpx
import pytest

from pipeline import stage_job
from pipeline.stage_job import StageUnfinished, run_stage
from service.client import GenerationClient, ServiceUnreachable
from service.protocol import ItemResult, Job, JobState, Stage, job_id

ITEMS = {"a" * 32: {"n": 1}, "b" * 32: {"n": 2}}
JOB = job_id("run-1", Stage.COMPOSE, list(ITEMS))
A, B = ITEMS


class Script:
    """Answers requests one after the other, and remembers them."""

    def __init__(self, *answers: httpx.Response | Callable[[], httpx.Response]) -> None:
        self.answers = iter(answers)
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        answer = next(self.answers)
        return answer() if callable(answer) else answer

    def client(self) -> GenerationClient:
        return GenerationClient("http://service", "token", transport=httpx.MockTransport(self))


def job(state: JobState, *results: ItemResult) -> httpx.Response:
    return httpx.Response(200, json=asdict(Job(JOB, Stage.COMPOSE, state, len(ITEMS), len(results), results)))


def made(key: str) -> ItemResult:
    return ItemResult(key, f"takes/{key}.png", "0" * 64, 1.5)


def gone() -> httpx.Response:
    raise httpx.ConnectError("refused")


UNKNOWN = httpx.Response(404, json={"detail": "unknown"})


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pipeline.stage_job.time.sleep", "service.client.time.sleep"):
        monkeypatch.setattr(name, lambda _seconds: None)


def follow(script: Script) -> list[str]:
    recorded: list[str] = []
    run_stage(script.client(), "run-1", Stage.COMPOSE, ITEMS, lambda result: recorded.append(result.key))
    return recorded


def test_each_item_is_recorded_once_as_soon_as_it_is_made() -> None:
    script = Script(
        job(JobState.QUEUED),
        job(JobState.RUNNING, made(A)),
        job(JobState.RUNNING, made(A)),
        job(JobState.DONE, made(A), made(B)),
    )
    assert follow(script) == [A, B]
    assert script.asked == ["POST /v1/jobs", *[f"GET /v1/jobs/{JOB}"] * 3]


def test_nothing_to_do_asks_nothing() -> None:
    script = Script()
    run_stage(script.client(), "run-1", Stage.COMPOSE, {}, lambda _result: None)
    assert script.asked == []


def test_a_service_that_restarted_gets_the_job_again() -> None:
    script = Script(
        job(JobState.RUNNING, made(A)), gone, gone, gone, gone, UNKNOWN, job(JobState.DONE, made(A), made(B))
    )
    assert follow(script) == [A, B]
    assert script.asked.count("POST /v1/jobs") == 2


def test_a_service_that_stays_away_ends_the_attempt_and_says_where_it_was_sought(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stage_job, "DOWNTIME_SECONDS", -1.0)
    script = Script(job(JobState.RUNNING), gone, gone, gone, gone)
    with pytest.raises(ServiceUnreachable, match=r"http://service .*see whether it runs"):
        follow(script)


def test_what_fails_for_good_is_recorded_and_what_may_pass_is_left_for_the_next_attempt() -> None:
    recorded: list[ItemResult] = []
    lost = ItemResult(A, error="packshot is lost")
    later = ItemResult(B, error="the bucket is gone", transient=True)
    script = Script(job(JobState.DONE, lost, later))
    with pytest.raises(StageUnfinished, match="1 of 2 items are still to be made: the bucket is gone"):
        run_stage(script.client(), "run-1", Stage.COMPOSE, ITEMS, recorded.append)
    assert recorded == [lost]


def test_a_job_that_somebody_cancelled_is_unfinished() -> None:
    with pytest.raises(StageUnfinished, match="was cancelled"):
        follow(Script(job(JobState.CANCELLED, made(A))))


def test_a_process_that_is_told_to_end_cancels_its_job() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def told_to_end() -> httpx.Response:
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("SIGTERM did not end the wait")

    script = Script(job(JobState.RUNNING), told_to_end, job(JobState.RUNNING))
    with pytest.raises(SystemExit, match="SIGTERM"):
        follow(script)
    assert script.asked[-1] == f"DELETE /v1/jobs/{JOB}"
    assert signal.getsignal(signal.SIGTERM) is before


def test_more_items_than_a_job_may_have_are_several_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_job, "MAX_ITEMS", 1)
    script = Script(job(JobState.DONE, made(A)), job(JobState.DONE, made(B)))
    assert follow(script) == [A, B]
    assert script.asked == ["POST /v1/jobs", "POST /v1/jobs"]


def test_a_catalog_that_is_gone_leaves_the_job_to_the_next_attempt() -> None:
    def record(_result: ItemResult) -> None:
        raise ConnectionError("database is gone")

    script = Script(job(JobState.RUNNING, made(A)))
    with pytest.raises(ConnectionError):
        run_stage(script.client(), "run-1", Stage.COMPOSE, ITEMS, record)
    assert script.asked == ["POST /v1/jobs"]


def test_the_same_question_has_the_same_id_whatever_the_order() -> None:
    assert job_id("run-1", Stage.COMPOSE, [A, B]) == job_id("run-1", Stage.COMPOSE, [B, A])
    others = {job_id("run-2", Stage.COMPOSE, [A, B]), job_id("run-1", Stage.REFINE, [A, B])}
    assert not others & {JOB, job_id("run-1", Stage.COMPOSE, [A])}
