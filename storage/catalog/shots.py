"""Shots in the catalog: what a plan wants, what is still to be made, where each stands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from brief.plan import Plan
from brief.types import Campaign, Shot
from storage.catalog.records import PlanRecord, Progress
from storage.catalog.rows import campaign_values, shot_of, shot_values
from storage.catalog.tables import AssetRow, CampaignRow, Decision, ReviewRow, ShotRow, ShotState, TakeRow
from storage.catalog.upsert import in_parts, upsert

UNFINISHED = (ShotState.PLANNED, ShotState.COMPOSED, ShotState.REFINED, ShotState.SCORED)
SETTLED = (ShotState.PUBLISHED, ShotState.SUPERSEDED)
"""States that a stage that finishes late must not undo."""


class Reprocess(StrEnum):
    """Which shots a run makes: what is missing, and on request what ended otherwise before."""

    MISSING = "missing"
    FAILED = "failed"
    REJECTED = "rejected"
    ALL = "all"

    @property
    def states(self) -> tuple[ShotState, ...]:
        """States of the shots that this asks for."""
        more = {
            Reprocess.MISSING: (),
            Reprocess.FAILED: (ShotState.FAILED,),
            Reprocess.REJECTED: (ShotState.REJECTED,),
            Reprocess.ALL: (ShotState.FAILED, ShotState.REJECTED, ShotState.REVIEW, ShotState.PUBLISHED),
        }
        return UNFINISHED + more[self]


def record_plan(session: Session, campaign: Campaign, plan: Plan, run_id: str) -> PlanRecord:
    upsert(session, CampaignRow, [campaign_values(campaign)])
    # Two plans of one campaign at the same time would each supersede what only the other wants: one after the other.
    session.execute(select(CampaignRow.name).where(CampaignRow.name == campaign.name).with_for_update())
    rows = session.execute(select(ShotRow.key, ShotRow.state).where(ShotRow.campaign == campaign.name))
    before = {key: ShotState(state) for key, state in rows}
    values = [
        {**shot_values(shot), "state": ShotState.PLANNED, "reason": None, "run_id": run_id} for shot in plan.shots
    ]
    upsert(session, ShotRow, values, keep=("state", "reason", "run_id", "campaign"))
    wanted = {shot.key for shot in plan.shots}
    dropped = [key for key, state in before.items() if key not in wanted and state is not ShotState.SUPERSEDED]
    set_state(session, dropped, ShotState.SUPERSEDED, "the campaign's plan no longer wants it", unless=())
    back = [key for key in wanted if before.get(key) is ShotState.SUPERSEDED]
    _revive(session, back)
    new = len(wanted - before.keys())
    return PlanRecord(new, len(wanted) - new - len(back), len(back), len(dropped), plan.left_out)


def _revive(session: Session, keys: Collection[str]) -> None:
    """Give superseded shots the state that they had reached; one whose take was cleared away is made again."""
    published: set[str] = set()
    answers: dict[str, str | None] = {}
    for part in in_parts(keys):
        published |= set(session.scalars(select(AssetRow.shot_key).where(AssetRow.shot_key.in_(part))))
        query = select(ReviewRow.shot_key, ReviewRow.decision).join(TakeRow, TakeRow.key == ReviewRow.take_key)
        query = query.where(ReviewRow.shot_key.in_(part), TakeRow.refined_key.is_not(None)).order_by(ReviewRow.id)
        answers |= dict(session.execute(query).all())
    reviewed = answers.keys() - published
    rejected = {key for key in reviewed if answers[key] in (Decision.REJECT, Decision.RETAKE)}
    for chosen, state, reason in (
        (published, ShotState.PUBLISHED, None),
        (rejected, ShotState.REJECTED, "a review turned it down"),
        (reviewed - rejected, ShotState.REVIEW, "a review is open or waits for publication"),
        (set(keys) - published - reviewed, ShotState.PLANNED, None),
    ):
        set_state(session, chosen, state, reason, unless=())


def set_state(
    session: Session,
    keys: Collection[str],
    state: ShotState,
    reason: str | None = None,
    *,
    unless: tuple[ShotState, ...] = SETTLED,
) -> None:
    """Move shots to a state, except those whose state is in ``unless``; ``updated_at`` only where that changes."""
    for part in in_parts(keys):
        statement = update(ShotRow).where(
            ShotRow.key.in_(part),
            ShotRow.state.not_in(unless),
            or_(ShotRow.state != state, ShotRow.reason.is_distinct_from(reason)),
        )
        session.execute(statement.values(state=state, reason=reason, updated_at=datetime.now(UTC)))


def outstanding(session: Session, campaign: str, reprocess: Reprocess) -> list[Shot]:
    query = select(ShotRow.spec).where(ShotRow.campaign == campaign, ShotRow.state.in_(reprocess.states))
    return in_shooting_order(shot_of(spec) for spec in session.scalars(query))


def in_shooting_order(shots: Iterable[Shot]) -> list[Shot]:
    """Shots of one person and one product next to each other, so that their encodings are still at hand."""
    return sorted(
        shots,
        key=lambda shot: (shot.persona.name if shot.persona else "", shot.product.sku, shot.environment.name, shot.key),
    )


def shots(session: Session, keys: Sequence[str]) -> list[Shot]:
    """In the order of ``keys``; those that the catalog does not have are left out."""
    found: dict[str, dict[str, Any]] = {}
    for part in in_parts(keys):
        found |= dict(session.execute(select(ShotRow.key, ShotRow.spec).where(ShotRow.key.in_(part))).all())
    return [shot_of(found[key]) for key in keys if key in found]


def states(session: Session, keys: Sequence[str]) -> dict[str, ShotState]:
    found: dict[str, str] = {}
    for part in in_parts(keys):
        found |= dict(session.execute(select(ShotRow.key, ShotRow.state).where(ShotRow.key.in_(part))).all())
    return {key: ShotState(state) for key, state in found.items()}


def totals(session: Session, campaign: str | None) -> dict[ShotState, int]:
    query = select(ShotRow.state, func.count()).group_by(ShotRow.state)
    if campaign is not None:
        query = query.where(ShotRow.campaign == campaign)
    counts: dict[str, int] = dict(session.execute(query).all())
    return {state: counts.get(state, 0) for state in ShotState}


def progress(session: Session, campaign: str | None) -> Progress:
    """By what the takes left behind, not by the shots' states, since a retake moves a shot's state back."""
    takes = (
        select(
            TakeRow.shot_key,
            func.count(TakeRow.composed_key).label("composed"),
            func.count(TakeRow.refined_key).label("refined"),
            func.count(TakeRow.verdict).label("scored"),
        )
        .group_by(TakeRow.shot_key)
        .subquery()
    )
    query = (
        select(ShotRow.state, takes.c.composed, takes.c.refined, takes.c.scored)
        .outerjoin(takes, takes.c.shot_key == ShotRow.key)
        .where(ShotRow.state != ShotState.SUPERSEDED)
    )
    if campaign is not None:
        query = query.where(ShotRow.campaign == campaign)
    rows = session.execute(query).all()
    underway = [row for row in rows if row.state in UNFINISHED]
    finished = len(rows) - len(underway)
    composed, refined, scored = (finished + sum(1 for row in underway if row[column]) for column in (1, 2, 3))
    failed = sum(1 for row in rows if row.state == ShotState.FAILED)
    return Progress(len(rows), composed, refined, scored, finished, failed)
