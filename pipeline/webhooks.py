"""Tells a webhook what happened: signed, repeated until it is taken, each event under an id of its own.

The body is JSON: ``{"delivery", "event", "at", "data"}``. With it go the headers ``X-Lookbook-Event``,
``X-Lookbook-Delivery`` (the same however often it is sent: a receiver that has it answers 200 and does nothing),
``X-Lookbook-Timestamp`` (seconds since 1970) and ``X-Lookbook-Signature``: ``sha256=`` and the HMAC-SHA256, in hex, of
the timestamp, a full stop and the body, under the shared secret. A receiver compares that in constant time and turns
down what is older than it likes, so that nobody can play an old request again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from brief.errors import PipelineError
from brief.settings import Settings
from pipeline.run import AirflowConnection
from storage.catalog import events
from storage.catalog.catalog import Catalog
from storage.catalog.events import Event

_LOG = logging.getLogger(__name__)
WEBHOOK = "lookbook_webhook"
"""The Airflow connection that says where: host (an address), password (the secret)."""
URL_VARIABLE, SECRET_VARIABLE = "LOOKBOOK_WEBHOOK_URL", "LOOKBOOK_WEBHOOK_SECRET"
KEPT = timedelta(days=30)
"""What could not be told for so long is forgotten."""
ATTEMPTS = 4
"""Within one task; its own retries come after."""


class WebhookRefused(PipelineError):
    """The webhook does not take an event; says what it answered. It is told again by the next run of the DAG."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where events go, and the secret that signs them."""

    url: str
    secret: str


def open_webhook(connection: AirflowConnection | None) -> Webhook | None:
    """The webhook of a connection, or of the ``LOOKBOOK_WEBHOOK_*`` variables; ``None`` where there is none.

    Raises:
        ValueError: an address without a secret.
    """
    if connection is None:
        known = Settings.read()
        url, secret = known.webhook_url or "", known.webhook_secret or ""
    else:
        url, secret = connection.host or "", connection.password or ""
        if url and "://" not in url:
            port = f":{connection.port}" if connection.port else ""
            url = f"{connection.schema or connection.conn_type or 'https'}://{url}{port}"
    if url and not secret:
        raise ValueError(
            f"the webhook {url} has no secret to sign with: set {SECRET_VARIABLE}, or connection {WEBHOOK}'s password"
        )
    return Webhook(url, secret) if url else None


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What goes into ``X-Lookbook-Signature``."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def deliver(catalog: Catalog, webhook: Webhook) -> int:
    """Tell the webhook what it was not told yet, in order; returns how many events it took.

    Raises:
        WebhookRefused: it does not answer, or not with 2xx; what it took stays told, and the rest waits.
    """
    told = 0
    with httpx.Client(timeout=10, trust_env=False) as client:
        while True:
            with catalog.begin() as session:
                some = events.waiting(session, datetime.now(UTC) - KEPT, limit=1)
                if not some:
                    events.forget(session, datetime.now(UTC) - KEPT)
                    break
                _send(client, webhook, some[0])
                events.delivered(session, some[0].id)
            told += 1
    _LOG.info("%d events told to %s", told, webhook.url)
    return told


def _send(client: httpx.Client, webhook: Webhook, event: Event) -> None:
    body = json.dumps(
        {"delivery": event.delivery, "event": event.kind, "at": event.at.isoformat(), "data": event.body}
    ).encode()
    attempts = Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.5, max=8),
        retry=retry_if_exception(_is_transient),
        sleep=lambda seconds: time.sleep(seconds),
        reraise=True,
    )
    try:
        attempts(_post, client, webhook, event, body)
    except httpx.HTTPError as error:
        raise WebhookRefused(
            f"the webhook {webhook.url} does not take event {event.kind} (delivery {event.delivery}): {error}; it is "
            "told again once an hour"
        ) from error


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500 or error.response.status_code == httpx.codes.TOO_MANY_REQUESTS
    return isinstance(error, httpx.TransportError)


def _post(client: httpx.Client, webhook: Webhook, event: Event, body: bytes) -> None:
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "X-Lookbook-Event": event.kind,
        "X-Lookbook-Delivery": event.delivery,
        "X-Lookbook-Timestamp": timestamp,
        "X-Lookbook-Signature": signature(webhook.secret, timestamp, body),
    }
    client.post(webhook.url, content=body, headers=headers).raise_for_status()
