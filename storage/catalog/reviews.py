"""Reviews: doubtful takes that wait for a person, who answers once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Select, and_, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from storage.catalog.database import Database, in_parts
from storage.catalog.errors import AlreadyDecided, RowMissing
from storage.catalog.records import ReviewRecord, TakeRecord
from storage.catalog.shots import set_state
from storage.catalog.tables import Decision, PublicationRow, ReviewRow, ShotRow, ShotState, TakeOutputRow, TakeRow
from storage.catalog.takes import take_of


class Reviews(Database):
    """What a person is asked, and answers."""

    def open_review(self, shot_key: str, take_key: str, reasons: Sequence[str]) -> int:
        """Ask a person about a take; returns the review's id. Asking again about the same take changes at most the
        reasons, and nothing once it was answered."""
        picture = select(TakeOutputRow.sha256).where(
            TakeOutputRow.take_key == take_key, TakeOutputRow.stage == "refine"
        )
        with self.begin() as session:
            values = {
                "shot_key": shot_key,
                "take_key": take_key,
                "picture_sha256": session.scalar(picture) or None,
                "reasons": tuple(reasons),
                "opened_at": datetime.now(UTC),
            }
            statement = insert(ReviewRow).values(values)
            again = statement.on_conflict_do_update(
                index_elements=["take_key"],
                set_={"reasons": statement.excluded.reasons},
                where=ReviewRow.decision.is_(None),
            )
            session.execute(again)
            row = session.scalars(select(ReviewRow).where(ReviewRow.take_key == take_key)).one()
            turned_down = row.decision is not None and row.decision.turns_down
            state = ShotState.REJECTED if turned_down else ShotState.REVIEW
            set_state(session, [shot_key], state, _answer(row) if turned_down else "; ".join(reasons))
            return row.id

    def decide(self, review_id: int, decision: Decision | str, who: str, note: str = "") -> None:
        """A person's answer: "approve" or "reject". What is approved is published by DAG ``publish_approved``.

        Raises:
            AlreadyDecided: somebody answered before; says who and when.
            RowMissing: there is no such review.
        """
        with self.begin() as session:
            decide(session, review_id, Decision(decision), who, note)

    def reviews(self, *, waiting: bool = True, offset: int = 0, limit: int = 50) -> list[ReviewRecord]:
        """Reviews that wait (oldest first), or those that were answered (latest first)."""
        is_open = ReviewRow.decision.is_(None)
        query = _with_shot_and_take().where(is_open if waiting else ~is_open)
        if waiting:
            query = query.where(ShotRow.state != ShotState.SUPERSEDED)
        query = query.order_by(ReviewRow.id if waiting else ReviewRow.decided_at.desc())
        with self.begin() as session:
            return review_records(session, query.offset(offset).limit(limit))

    def review(self, review_id: int) -> ReviewRecord:
        """One review.

        Raises:
            RowMissing: there is no such review.
        """
        with self.begin() as session:
            records = review_records(session, _with_shot_and_take().where(ReviewRow.id == review_id))
        if not records:
            raise _missing(review_id)
        return records[0]

    def approved_unpublished(self) -> list[ReviewRecord]:
        """What was approved and waits for its publication, or of what is published for its further renditions; what
        lost its picture waits for that first."""
        waits = or_(
            ShotRow.state == ShotState.REVIEW,
            and_(ShotRow.state == ShotState.PUBLISHED, ReviewRow.decided_at > PublicationRow.updated_at),
        )
        query = _with_shot_and_take().outerjoin(PublicationRow, PublicationRow.take_key == TakeRow.key)
        query = query.where(ReviewRow.decision == Decision.APPROVE, waits)
        with self.begin() as session:
            return review_records(session, query.order_by(ReviewRow.id))


def decide(session: Session, review_id: int, decision: Decision, who: str, note: str) -> None:
    """As :meth:`Reviews.decide`, in a transaction that does more."""
    answer = {"decision": decision, "decided_by": who, "note": note, "decided_at": datetime.now(UTC)}
    # The condition makes the first of two answers win, whoever commits first.
    statement = update(ReviewRow).where(ReviewRow.id == review_id, ReviewRow.decision.is_(None)).values(answer)
    decided = session.scalars(statement.returning(ReviewRow)).one_or_none()
    if decided is None:
        row = session.get(ReviewRow, review_id)
        if row is None:
            raise _missing(review_id)
        raise AlreadyDecided(f"review {review_id} was {_answer(row)} on {row.decided_at:%Y-%m-%d %H:%M} UTC")
    state = ShotState.REVIEW if decision is Decision.APPROVE else ShotState.REJECTED
    set_state(session, [decided.shot_key], state, _answer(decided))


def labelled_takes(session: Session, latest: int = 2000) -> list[TakeRecord]:
    """Scored takes that a person approved or turned down, each with its ``decision``; the latest first."""
    query = (
        select(TakeRow)
        .join(ReviewRow, ReviewRow.take_key == TakeRow.key)
        .outerjoin(PublicationRow, PublicationRow.take_key == TakeRow.key)
        .where(ReviewRow.decision.is_not(None), TakeRow.scorecard.is_not(None))
        # What is published and was turned down all the same is a rendition, not the picture.
        .where(or_(ReviewRow.decision == Decision.APPROVE, PublicationRow.shot_key.is_(None)))
        .order_by(ReviewRow.decided_at.desc())
        .limit(latest)
    )
    return [take_of(row) for row in session.scalars(query)]


def records_by_id(session: Session, ids: Sequence[int]) -> list[ReviewRecord]:
    """In no order; unknown ids are left out."""
    return review_records(session, _with_shot_and_take().where(ReviewRow.id.in_(ids)))


def waiting_of(session: Session, shot_keys: Sequence[str]) -> list[ReviewRecord]:
    """Reviews of these shots that wait, by the order in which they were opened."""
    found: list[ReviewRecord] = []
    query = _with_shot_and_take().where(ReviewRow.decision.is_(None), ShotRow.state != ShotState.SUPERSEDED)
    for part in in_parts(shot_keys):
        found += review_records(session, query.where(ReviewRow.shot_key.in_(part)).order_by(ReviewRow.id))
    return found


def reviews_of(session: Session, shot_key: str) -> list[ReviewRecord]:
    """By the order in which they were opened."""
    query = _with_shot_and_take().where(ReviewRow.shot_key == shot_key)
    return review_records(session, query.order_by(ReviewRow.id))


def _missing(review_id: int) -> RowMissing:
    return RowMissing(f"there is no review {review_id}; it may belong to another catalog")


def _with_shot_and_take() -> Select[ReviewRow, ShotRow, TakeRow]:
    return (
        select(ReviewRow, ShotRow, TakeRow)
        .join(ShotRow, ShotRow.key == ReviewRow.shot_key)
        .join(TakeRow, TakeRow.key == ReviewRow.take_key)
    )


def review_records(session: Session, query: Select[ReviewRow, ShotRow, TakeRow]) -> list[ReviewRecord]:
    return [
        ReviewRecord(
            id=row.id,
            shot=shot.spec,
            take=take_of(take),
            reasons=row.reasons,
            opened_at=row.opened_at,
            decision=row.decision,
            decided_by=row.decided_by,
            note=row.note,
            decided_at=row.decided_at,
        )
        for row, shot, take in session.execute(query)
    ]


def _answer(row: ReviewRow) -> str:
    words = {Decision.APPROVE: "approved", Decision.REJECT: "rejected", Decision.RETAKE: "sent back", None: "reopened"}
    return f"{words[row.decision]} by {row.decided_by}" + (f": {row.note}" if row.note else "")
