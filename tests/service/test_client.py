"""What the client makes of the service's answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict

import httpx
import pytest

from brief.errors import ServiceError, SettingsError
from brief.types import Measurements
from service.client import GenerationClient, JobNotFound, ServiceBusy, ServiceUnreachable
from service.protocol import ItemResult, Job, JobState, Stage

MEASURED = Measurements({"product": 0.5})
DONE = Job("job", Stage.SCORE, JobState.DONE, 1, 1, (ItemResult("k", "o", "s", 0.5, measured=MEASURED),))


def client(answer: Callable[[httpx.Request], httpx.Response]) -> GenerationClient:
    return GenerationClient("http://service:1/", "secret", transport=httpx.MockTransport(answer))


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the client would have slept."""
    slept: list[float] = []
    monkeypatch.setattr("service.client.time.sleep", slept.append)
    return slept


def test_a_job_comes_back_as_it_was_sent() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer secret"
        return httpx.Response(202, json=asdict(DONE))

    assert client(answer).submit("job", Stage.SCORE, []) == DONE


def test_a_full_queue_is_waited_for_as_long_as_advised(pauses: list[float]) -> None:
    answers = iter([httpx.Response(429, headers={"Retry-After": "7"})] * 2 + [httpx.Response(202, json=asdict(DONE))])
    assert client(lambda _request: next(answers)).submit("job", Stage.SCORE, []) == DONE
    assert pauses == [7, 7]


def test_a_queue_that_stays_full_is_given_up_with_what_to_do() -> None:
    full = httpx.Response(429, headers={"Retry-After": "30"})
    with pytest.raises(ServiceBusy, match=r"http://service:1 has been full.*pool 'gpu'"):
        client(lambda _request: full).submit("job", Stage.SCORE, [], patience=10)


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (401, ServiceError, "LOOKBOOK_SERVICE_TOKEN"),
        (404, JobNotFound, "unknown job"),
        (409, ServiceError, "answers 409: unknown job"),
        (500, ServiceError, "answers 500"),
        (503, ServiceUnreachable, "/health"),
    ],
)
def test_errors_name_the_service_and_what_to_do(status: int, error: type[ServiceError], said: str) -> None:
    answer = httpx.Response(status, json={"detail": "unknown job"})
    with pytest.raises(error, match="http://service:1") as caught:
        client(lambda _request: answer).job("job")
    assert said in str(caught.value)


def test_a_blip_is_bridged_and_nobody_there_is_said_so(pauses: list[float]) -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    blips: Iterator[Callable[[httpx.Request], httpx.Response]]
    blips = iter([refuse, lambda _request: httpx.Response(200, json=asdict(DONE))])
    assert client(lambda request: next(blips)(request)).job("job") == DONE
    with pytest.raises(ServiceUnreachable, match=r"no generation service answers at http://service:1.*/health"):
        client(refuse).job("job")
    assert len(pauses) == 1 + 3


def test_services_with_different_bundles_are_refused_by_name() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/health"
        return httpx.Response(200, json={"state": "ready", "bundle": "sdxl", "fingerprint": request.url.host * 4})

    several = GenerationClient("http://one,http://two", "secret", transport=httpx.MockTransport(answer))
    said = "different bundles: http://one has sdxl .*http://two has sdxl .*LOOKBOOK_BUNDLE"
    for ask in (several.bundle, lambda: several.submit("mixed", Stage.FACE, [])):
        with pytest.raises(ServiceError, match=said):
            ask()


def test_cancelling_what_is_unknown_is_fine() -> None:
    client(lambda _request: httpx.Response(404, json={"detail": "unknown"})).cancel("job")


def test_the_environment_must_say_where_and_with_which_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOKBOOK_SERVICE_URL", "http://service:1")
    monkeypatch.delenv("LOOKBOOK_SERVICE_TOKEN", raising=False)
    with pytest.raises(SettingsError, match="LOOKBOOK_SERVICE_TOKEN is not set"):
        GenerationClient.from_env()
