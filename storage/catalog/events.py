"""What happened, for those who follow it from outside: noted in the transaction in which it happens, told to a webhook
afterwards (:mod:`pipeline.webhooks`).

| kind | body |
|---|---|
| ``run.finished`` | run, shots by state, problems by campaign, ended_at |
| ``run.cancelled``, ``run.late`` | run |
| ``publication.finished`` | run, campaign, the number of shots and the first of their keys |
| ``review.decided`` | shot, campaign, sku, environment, action (approve, reject and so on), who, why, at |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from brief.recipe import digest
from storage.catalog.tables import EventRow


@dataclass(frozen=True, slots=True)
class Event:
    """``delivery`` is the same however often the event is told."""

    id: int
    delivery: str
    kind: str
    at: datetime
    body: Mapping[str, Any]


def note(session: Session, kind: str, body: Mapping[str, Any]) -> None:
    """Something happened; noted again with the same body it is the same event."""
    values = {"delivery": digest([kind, dict(body)]), "kind": kind, "at": datetime.now(UTC), "body": dict(body)}
    session.execute(insert(EventRow).values(values).on_conflict_do_nothing(index_elements=["delivery"]))


def waiting(session: Session, since: datetime, limit: int = 100) -> list[Event]:
    """What nobody was told yet, the oldest first, locked until the transaction ends; what another process is telling
    right now is left out. What is older than ``since`` is not told any more."""
    query = (
        select(EventRow)
        .where(EventRow.delivered_at.is_(None), EventRow.at >= since)
        .order_by(EventRow.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [Event(row.id, row.delivery, row.kind, row.at, row.body) for row in session.scalars(query)]


def delivered(session: Session, event_id: int) -> None:
    """The webhook took it."""
    session.execute(update(EventRow).where(EventRow.id == event_id).values(delivered_at=datetime.now(UTC)))


def forget(session: Session, before: datetime) -> None:
    """Delete what is older, told or not."""
    session.execute(delete(EventRow).where(EventRow.at < before))
