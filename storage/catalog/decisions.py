"""What a person decides about a take: approve, turn down, ask for another, take it back, withdraw what was published.

Each is one transaction together with its entry in the audit log.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import Text, delete, func, select
from sqlalchemy.orm import Session

from brief.recipe import RECIPES, take
from brief.types import Shot, Take
from storage.catalog import audit, reviews
from storage.catalog.database import ROWS_PER_STATEMENT, array_of, in_parts
from storage.catalog.errors import AlreadyDecided, CatalogError, RowMissing
from storage.catalog.shots import UNFINISHED, set_state
from storage.catalog.tables import (
    Decision,
    PublicationRow,
    RetakeRequestRow,
    ReviewRow,
    ShotRow,
    ShotState,
    TakeRow,
)
from storage.catalog.takes import publication_of

UNDO = timedelta(minutes=30)
"""For so long an answer can be taken back."""

LIMITS: Mapping[str, tuple[float, float]] = {
    "guidance": (1.0, 12.0),
    "face_strength": (0.0, 1.5),
    "product_strength": (0.0, 1.5),
    "environment_strength": (0.0, 1.5),
}
"""What a person may steer, and between which numbers (see :class:`brief.recipe.Recipe`)."""


class NotAllowed(CatalogError):
    """A decision that cannot be taken as things stand; says why."""


@dataclass(frozen=True, slots=True)
class RetakeChanges:
    """What the next take shall do otherwise: words added to the prompt, and numbers of the recipe."""

    words: str = ""
    changes: Mapping[str, float] = field(default_factory=dict)


def decide(
    session: Session, review_id: int, decision: Decision, who: str, why: str, steering: RetakeChanges | None = None
) -> str:
    """Answer a review; returns the shot's key. With :attr:`Decision.RETAKE` another take is asked for.

    Of what is published already only further renditions are asked about: to turn them down leaves it as it is.

    Raises:
        NotAllowed: a rejection without a reason, a steering that no recipe takes, or a retake of what is published.
        AlreadyDecided: somebody answered before.
        RowMissing: there is no such review.
    """
    if decision is not Decision.APPROVE and not why.strip():
        raise NotAllowed("say why, for those who come after and for the next take: choose a reason or write a note")
    reviews.decide(session, review_id, decision, who, why.strip())
    row = session.get_one(ReviewRow, review_id)
    shot, judged = session.get_one(ShotRow, row.shot_key), session.get_one(TakeRow, row.take_key)
    if decision is Decision.RETAKE and shot.state == ShotState.PUBLISHED:
        raise NotAllowed("its picture is published, and the question is about a rendition; reject that, or withdraw it")
    details = {"review": review_id, "take": judged.number}
    audit.note(session, who, decision.value, shot=shot, why=why.strip(), details=details)
    if decision is Decision.RETAKE:
        _next_take(session, shot, who, why.strip(), steering or RetakeChanges())
    return row.shot_key


def ask_for_retake(session: Session, shot_key: str, who: str, why: str, steering: RetakeChanges | None = None) -> Take:
    """Ask for another take of a shot that is not published, whatever became of its takes so far.

    Raises:
        NotAllowed: no reason, the shot is published or superseded, or a steering that no recipe takes.
        AlreadyDecided: another take was asked for already and is not made yet.
        RowMissing: there is no such shot.
    """
    shot = _locked(session, shot_key)
    if not why.strip():
        raise NotAllowed("say what the next take shall do better")
    if shot.state == ShotState.PUBLISHED:
        raise NotAllowed(f"shot {shot_key} is published; withdraw it first")
    if shot.state == ShotState.SUPERSEDED:
        raise NotAllowed(f"shot {shot_key} is superseded: no campaign wants it any more")
    open_review = select(ReviewRow.id).where(ReviewRow.shot_key == shot_key, ReviewRow.decision.is_(None))
    for review_id in session.scalars(open_review):
        reviews.decide(session, review_id, Decision.RETAKE, who, why.strip())
    audit.note(session, who, "retake", shot=shot, why=why.strip())
    return _next_take(session, shot, who, why.strip(), steering or RetakeChanges())


def asked_for(session: Session, shot_keys: Sequence[str]) -> set[str]:
    """Keys of the takes of these shots that people asked for."""
    found: set[str] = set()
    for part in in_parts(shot_keys):
        query = select(RetakeRequestRow.take_key).where(RetakeRequestRow.shot_key.in_(part))
        found |= set(session.scalars(query))
    return found


def requested(session: Session) -> list[str]:
    """Keys of the shots of which people asked for another take that has come to no end yet."""
    query = select(RetakeRequestRow.shot_key).join(ShotRow, ShotRow.key == RetakeRequestRow.shot_key)
    query = query.where(ShotRow.state.in_(UNFINISHED)).distinct().order_by(RetakeRequestRow.shot_key)
    return list(session.scalars(query))


def open_next_takes(session: Session, shot_keys: Sequence[str]) -> None:
    """Have another take made of rejected shots, as the latest but with a seed of its own."""
    rejected: list[str] = []
    for part in in_parts(shot_keys, ROWS_PER_STATEMENT):  # most of a million are not
        ours = ShotRow.key == func.any(array_of(part, Text))
        rejected += session.scalars(select(ShotRow.key).where(ours, ShotRow.state == ShotState.REJECTED))
    for key in sorted(rejected):
        shot = _locked(session, key)
        if shot.state == ShotState.REJECTED:
            _open_take(session, shot, _latest(session, key), RetakeChanges())
            set_state(session, [key], ShotState.PLANNED, "a run was asked to try again what was rejected", unless=())


def try_again(session: Session, shot_keys: Sequence[str], who: str, why: str) -> list[str]:
    """Plan failed shots again, once what made them fail is fixed; returns the campaigns that want them."""
    campaigns: set[str] = set()
    for part in in_parts(shot_keys):
        query = select(ShotRow).where(ShotRow.key.in_(part), ShotRow.state == ShotState.FAILED)
        rows = list(session.scalars(query.with_for_update()))
        for row in rows:
            audit.note(session, who, "try again", shot=row, why=why)
            campaigns.add(row.campaign)
        set_state(session, [row.key for row in rows], ShotState.PLANNED, f"to be tried again, says {who}")
    return sorted(campaigns)


def undo(session: Session, review_id: int, who: str, *, now: datetime | None = None) -> Shot | None:
    """Take an answer back: the review waits again. Returns the shot whose published files must leave the bucket.

    Raises:
        NotAllowed: nothing was answered, it is longer than :data:`UNDO` ago, or the retake is being made.
        RowMissing: there is no such review.
    """
    row = session.get(ReviewRow, review_id, with_for_update=True)
    if row is None:
        raise RowMissing(f"there is no review {review_id}; it may belong to another catalog")
    if row.decision is None or row.decided_at is None:
        raise NotAllowed(f"review {review_id} waits; there is nothing to take back")
    if (now or datetime.now(UTC)) - row.decided_at > UNDO:
        minutes = int(UNDO.total_seconds() // 60)
        raise NotAllowed(f"too late: an answer can be taken back for {minutes} minutes; withdraw or ask for a retake")
    shot = _locked(session, row.shot_key)
    if row.decision == Decision.RETAKE:
        _drop_retake(session, shot.key)
    published = session.get(PublicationRow, shot.key)
    about_renditions = published is not None and row.opened_at > published.created_at
    if published is not None and about_renditions and row.decided_at < published.updated_at:
        raise NotAllowed("too late: its renditions are made; take them out of the campaign, or withdraw the picture")
    taken = row.decision
    row.decision = row.decided_by = row.note = row.decided_at = None
    audit.note(session, who, "undo", shot=shot, details={"review": review_id, "decision": taken})
    if about_renditions:
        return None
    if published is not None:
        session.delete(published)
    set_state(session, [shot.key], ShotState.REVIEW, "; ".join(row.reasons), unless=())
    return shot.spec if published is not None else None


def withdraw(session: Session, shot_key: str, who: str, why: str) -> None:
    """Turn down what is published; its files must have left the bucket before.

    Raises:
        NotAllowed: no reason, or the shot is not published.
        RowMissing: there is no such shot.
    """
    shot = _locked(session, shot_key)
    published = session.get(PublicationRow, shot_key)
    if not why.strip():
        raise NotAllowed("say why it is withdrawn")
    if published is None:
        raise NotAllowed(f"shot {shot_key} is not published")
    publication = publication_of(published)
    session.delete(published)
    _turn_down(session, publication.take_key, shot_key, who, f"withdrawn: {why.strip()}")
    set_state(session, [shot_key], ShotState.REJECTED, f"withdrawn by {who}: {why.strip()}", unless=())
    files = {name: ref.key for name, ref in publication.renditions.items()}
    details = {"master": publication.master.key, "manifest": publication.manifest.key, "renditions": files}
    audit.note(session, who, "withdraw", shot=shot, why=why.strip(), details=details)


def _locked(session: Session, shot_key: str) -> ShotRow:
    row = session.get(ShotRow, shot_key, with_for_update=True)
    if row is None:
        raise RowMissing(f"shot {shot_key!r} is not in the catalog")
    return row


def _turn_down(session: Session, take_key: str, shot_key: str, who: str, why: str) -> None:
    """Let the take count as rejected by a person, asked or not, so that it never wins again."""
    row = session.scalar(select(ReviewRow).where(ReviewRow.take_key == take_key))
    if row is None:
        row = ReviewRow(shot_key=shot_key, take_key=take_key, reasons=(), opened_at=datetime.now(UTC))
        session.add(row)
    row.decision, row.decided_by, row.note, row.decided_at = Decision.REJECT, who, why, datetime.now(UTC)


def _latest(session: Session, shot_key: str) -> TakeRow | None:
    query = select(TakeRow).where(TakeRow.shot_key == shot_key).order_by(TakeRow.number.desc())
    return session.scalar(query.limit(1))


def _next_take(session: Session, shot: ShotRow, who: str, why: str, steering: RetakeChanges) -> Take:
    latest = _latest(session, shot.key)
    if latest is not None and not latest.outputs and latest.key in asked_for(session, [shot.key]):
        raise AlreadyDecided(f"take {latest.number} of shot {shot.key} was asked for already and is not made yet")
    _check(steering, shot.spec.recipe)
    new = _open_take(session, shot, latest, steering)
    now = datetime.now(UTC)
    session.add(RetakeRequestRow(take_key=new.key, shot_key=shot.key, asked_by=who, asked_at=now, why=why))
    set_state(session, [shot.key], ShotState.PLANNED, f"another take asked for by {who}: {why}", unless=())
    return new


def _open_take(session: Session, shot: ShotRow, latest: TakeRow | None, steering: RetakeChanges) -> Take:
    number = latest.number + 1 if latest else 1
    changes = {**(latest.changes if latest else {}), **steering.changes}
    new = take(shot.key, shot.spec.seed, number, changes, steering.words.strip())
    now = datetime.now(UTC)
    session.add(
        TakeRow(
            key=new.key,
            shot_key=shot.key,
            number=number,
            seed=new.seed,
            changes=changes,
            words=new.words,
            created_at=now,
            updated_at=now,
        )
    )
    session.flush()
    return new


def _check(steering: RetakeChanges, recipe: str) -> None:
    try:
        RECIPES[recipe].changed(steering.changes)
    except ValueError as error:
        raise NotAllowed(str(error)) from error
    for name, value in steering.changes.items():
        low, high = LIMITS.get(name, (0.0, math.inf))
        if not low <= value <= high:
            raise NotAllowed(f"{name} is {value:g}, it must be a number from {low:g} to {high:g}")


def _drop_retake(session: Session, shot_key: str) -> None:
    latest = _latest(session, shot_key)
    if latest is None or latest.key not in asked_for(session, [shot_key]):
        return
    if latest.outputs:
        raise NotAllowed(f"take {latest.number} is being made; answer it when it waits for review")
    session.execute(delete(RetakeRequestRow).where(RetakeRequestRow.take_key == latest.key))
    session.delete(latest)
