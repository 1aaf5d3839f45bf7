"""Webhooks, told to a receiver that checks them as a receiver should."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipeline.webhooks import Webhook, WebhookRefused, deliver, open_webhook
from storage.catalog import decisions, events
from storage.catalog.catalog import Catalog
from storage.catalog.tables import Decision
from tests.storage.samples import planned, scored

SECRET = "shared"


@dataclass
class Receiver:
    """What it took, by delivery id; ``answers`` are given first, then 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    taken: dict[str, Any] = field(default_factory=dict)
    requests: int = 0

    def take(self, headers: Any, body: bytes) -> int:
        self.requests += 1
        signed = headers["X-Lookbook-Timestamp"].encode() + b"." + body
        expected = "sha256=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, headers["X-Lookbook-Signature"]):
            return 401
        if self.answers:
            return self.answers.pop(0)
        told = json.loads(body)
        assert (told["delivery"], told["event"]) == (headers["X-Lookbook-Delivery"], headers["X-Lookbook-Event"])
        assert told["delivery"] not in self.taken
        self.taken[told["delivery"]] = told
        return 200


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(found.take(self.headers, body))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}/lookbook"
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def happen(catalog: Catalog, *numbers: int) -> None:
    with catalog.begin() as session:
        for number in numbers:
            events.note(session, "run.finished", {"run": f"catalog/{number}"})


def test_what_happened_is_told_once_signed_and_in_order(catalog: Catalog, receiver: Receiver) -> None:
    happen(catalog, 1, 2, 1)
    assert deliver(catalog, Webhook(receiver.url, SECRET)) == 2
    assert deliver(catalog, Webhook(receiver.url, SECRET)) == 0
    assert [told["data"]["run"] for told in receiver.taken.values()] == ["catalog/1", "catalog/2"]


def test_a_receiver_that_fails_for_a_while_is_told_again_under_the_same_id(
    catalog: Catalog, receiver: Receiver
) -> None:
    happen(catalog, 1)
    receiver.answers = [503, 429, 500]
    assert deliver(catalog, Webhook(receiver.url, SECRET)) == 1
    assert (receiver.requests, len(receiver.taken)) == (4, 1)


def test_a_receiver_that_refuses_loses_nothing(catalog: Catalog, receiver: Receiver) -> None:
    happen(catalog, 1, 2)
    with pytest.raises(WebhookRefused, match=r"/lookbook does not take event run\.finished .* '401 "):
        deliver(catalog, Webhook(receiver.url, "another secret"))
    assert receiver.requests == 1
    assert deliver(catalog, Webhook(receiver.url, SECRET)) == 2


def test_two_processes_tell_an_event_once(catalog: Catalog, receiver: Receiver) -> None:
    happen(catalog, *range(20))
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda _: deliver(catalog, Webhook(receiver.url, SECRET)), range(2)))
    assert sum(told) == len(receiver.taken) == 20


def test_a_persons_decision_is_told(catalog: Catalog, receiver: Receiver) -> None:
    (shot,) = planned(catalog)
    review = catalog.open_review(shot.key, scored(catalog, shot)[0].key, ["dark"])
    with catalog.begin() as session:
        decisions.decide(session, review, Decision.REJECT, "ann", "face is wrong")
    assert deliver(catalog, Webhook(receiver.url, SECRET)) == 1
    (told,) = receiver.taken.values()
    assert (told["event"], told["data"]["action"], told["data"]["sku"]) == ("review.decided", "reject", "MUG-1")
    assert (told["data"]["who"], told["data"]["why"]) == ("ann", "face is wrong")


def test_an_address_needs_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_webhook(None) is None
    monkeypatch.setenv("LOOKBOOK_WEBHOOK_URL", "https://shop.example/hook")
    with pytest.raises(ValueError, match="LOOKBOOK_WEBHOOK_SECRET"):
        open_webhook(None)
    monkeypatch.setenv("LOOKBOOK_WEBHOOK_SECRET", "s")
    assert open_webhook(None) == Webhook("https://shop.example/hook", "s")
