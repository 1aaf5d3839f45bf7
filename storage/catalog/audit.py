"""The audit log: who did what, when and why. Entries are written in the transaction of what they tell of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Text, cast, or_, select
from sqlalchemy.orm import Session

from storage.catalog import events
from storage.catalog.tables import AuditRow, ShotRow


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry; ``details`` are for whoever looks closer."""

    id: int
    at: datetime
    who: str
    action: str
    shot_key: str | None
    campaign: str | None
    sku: str | None
    why: str
    details: Mapping[str, Any]

    @property
    def named(self) -> str:
        """What it is about besides a shot: a campaign, or the row that was retired ("product MUG-1")."""
        rows = [
            f"{kind} {self.details[kind]}" for kind in ("product", "environment", "persona") if kind in self.details
        ]
        return self.campaign or ", ".join(rows)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries; empty means any. ``text`` is part of the reason, SKU, campaign or name, in whatever case.

    ``before`` is an entry's id: only older ones, for the next page.
    """

    text: str = ""
    who: str = ""
    action: str = ""
    before: int | None = None


def note(
    session: Session,
    who: str,
    action: str,
    *,
    shot: ShotRow | None = None,
    campaign: str | None = None,
    why: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write an entry; of a shot, its SKU and campaign are filled in, and a webhook hears of it."""
    now = datetime.now(UTC)
    if shot is not None:
        told = {"shot": shot.key, "campaign": shot.campaign, "sku": shot.sku, "environment": shot.environment}
        told |= {"action": action, "who": who, "why": why, "at": now.isoformat()}
        events.note(session, "review.decided", told)
    session.add(
        AuditRow(
            at=now,
            who=who,
            action=action,
            shot_key=shot.key if shot else None,
            campaign=shot.campaign if shot else campaign,
            sku=shot.sku if shot else None,
            why=why,
            details=dict(details or {}),
        )
    )


def entries(session: Session, wanted: AuditFilter, limit: int = 100) -> Sequence[AuditEntry]:
    """The latest first."""
    query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
    if wanted.who:
        query = query.where(AuditRow.who == wanted.who)
    if wanted.action:
        query = query.where(AuditRow.action == wanted.action)
    if wanted.before is not None:
        query = query.where(AuditRow.id < wanted.before)
    if wanted.text:
        columns = (AuditRow.why, AuditRow.sku, AuditRow.campaign, AuditRow.who, cast(AuditRow.details, Text))
        query = query.where(or_(*(column.icontains(wanted.text, autoescape=True) for column in columns)))
    return [
        AuditEntry(row.id, row.at, row.who, row.action, row.shot_key, row.campaign, row.sku, row.why, row.details)
        for row in session.scalars(query)
    ]
