"""Reviews: doubtful takes that wait for a person, who answers once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from storage.catalog.errors import AlreadyDecided, RowMissing
from storage.catalog.records import ReviewRecord
from storage.catalog.rows import shot_of, take_of
from storage.catalog.shots import set_state
from storage.catalog.tables import Decision, ReviewRow, ShotRow, ShotState, TakeRow
from storage.catalog.upsert import insert_into


def open_review(session: Session, shot_key: str, take_key: str, reasons: Sequence[str]) -> int:
    values = {"shot_key": shot_key, "take_key": take_key, "reasons": list(reasons), "opened_at": datetime.now(UTC)}
    statement = insert_into(session, ReviewRow).values(values)
    session.execute(statement.on_conflict_do_nothing(index_elements=["take_key"]))
    row = session.scalars(select(ReviewRow).where(ReviewRow.take_key == take_key)).one()
    turned_down = row.decision in (Decision.REJECT, Decision.RETAKE)
    state = ShotState.REJECTED if turned_down else ShotState.REVIEW
    set_state(session, [shot_key], state, _answer(row) if turned_down else "; ".join(reasons))
    return row.id


def decide(session: Session, review_id: int, decision: Decision, who: str, note: str) -> None:
    answer = {"decision": decision, "decided_by": who, "note": note, "decided_at": datetime.now(UTC)}
    # The condition makes the first of two answers win, whoever commits first.
    statement = update(ReviewRow).where(ReviewRow.id == review_id, ReviewRow.decision.is_(None)).values(answer)
    decided = session.scalars(statement.returning(ReviewRow)).one_or_none()
    if decided is None:
        row = session.get(ReviewRow, review_id)
        if row is None:
            raise RowMissing(f"there is no review {review_id}; it may belong to another catalog")
        raise AlreadyDecided(f"review {review_id} was {_answer(row)} on {row.decided_at:%Y-%m-%d %H:%M} UTC")
    state = ShotState.REVIEW if decision is Decision.APPROVE else ShotState.REJECTED
    set_state(session, [decided.shot_key], state, _answer(decided))


def reviews(session: Session, *, waiting: bool, offset: int, limit: int) -> list[ReviewRecord]:
    """Open ones (oldest first), or decided ones (latest first)."""
    order = ReviewRow.id if waiting else ReviewRow.decided_at.desc()
    is_open = ReviewRow.decision.is_(None)
    query = _with_shot_and_take().where(is_open if waiting else ~is_open)
    if waiting:
        query = query.where(ShotRow.state != ShotState.SUPERSEDED)
    return _records(session, query.order_by(order).offset(offset).limit(limit))


def review(session: Session, review_id: int) -> ReviewRecord:
    found = _records(session, _with_shot_and_take().where(ReviewRow.id == review_id))
    if not found:
        raise RowMissing(f"there is no review {review_id}; it may belong to another catalog")
    return found[0]


def reviews_of(session: Session, shot_key: str) -> list[ReviewRecord]:
    return _records(session, _with_shot_and_take().where(ReviewRow.shot_key == shot_key).order_by(ReviewRow.id))


def approved_unpublished(session: Session) -> list[ReviewRecord]:
    """Shots that a person approved and that are not published yet."""
    query = _with_shot_and_take().where(
        ReviewRow.decision == Decision.APPROVE, ShotRow.state.not_in((ShotState.PUBLISHED, ShotState.SUPERSEDED))
    )
    return _records(session, query.order_by(ReviewRow.id))


def _with_shot_and_take() -> Select[ReviewRow, ShotRow, TakeRow]:
    return (
        select(ReviewRow, ShotRow, TakeRow)
        .join(ShotRow, ShotRow.key == ReviewRow.shot_key)
        .join(TakeRow, TakeRow.key == ReviewRow.take_key)
    )


def _records(session: Session, query: Select[ReviewRow, ShotRow, TakeRow]) -> list[ReviewRecord]:
    return [
        ReviewRecord(
            id=row.id,
            shot=shot_of(shot.spec),
            take=take_of(take),
            reasons=tuple(row.reasons),
            opened_at=row.opened_at,
            decision=Decision(row.decision) if row.decision else None,
            decided_by=row.decided_by,
            note=row.note,
            decided_at=row.decided_at,
        )
        for row, shot, take in session.execute(query)
    ]


def _answer(row: ReviewRow) -> str:
    words = {Decision.APPROVE: "approved", Decision.REJECT: "rejected", Decision.RETAKE: "sent back"}
    word = words[Decision(str(row.decision))]
    return f"{word} by {row.decided_by}" + (f": {row.note}" if row.note else "")
