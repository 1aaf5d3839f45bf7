"""Shots in the catalog: what is still to be made, and where each stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Self, TypeVar

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    delete,
    exists,
    false,
    func,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, aliased

from brief.types import Shot
from storage.catalog.database import Database, in_parts
from storage.catalog.records import Progress
from storage.catalog.runs import RunKey
from storage.catalog.tables import (
    CampaignRow,
    EnvironmentRow,
    PersonaRow,
    ProductRow,
    PublicationRow,
    ReviewRow,
    RunRow,
    RunShotRow,
    ShotRow,
    ShotState,
    TakeOutputRow,
    TakeRow,
)

S = TypeVar("S")
UNFINISHED = (ShotState.PLANNED, ShotState.COMPOSED, ShotState.REFINED, ShotState.SCORED)
SETTLED = (ShotState.PUBLISHED, ShotState.SUPERSEDED)
"""States that a stage that finishes late must not undo."""
COMMITTED_LATE = timedelta(minutes=10)
"""A row may be seen so long after the time that it bears: a transaction took long, or the importer's clock is slow.
Intervals therefore begin so much earlier; what two of them see, the second finds made."""


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


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the shots that a campaign wants a run claims; nothing given means all that are to be made.

    Attributes:
        changed: only shots whose product, environment, persona or campaign changed from the one moment up to the
            other; and those that no row explains: of another recipe or bundle than the shot before, or lost.
        products: SKUs; ``*`` stands for any characters, and case does not count.
        variants: only so many per combination, counted from the first.
        cancelled: also what a cancelled run left.
    """

    reprocess: Reprocess = Reprocess.MISSING
    changed: tuple[datetime, datetime] | None = None
    products: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    personas: tuple[str, ...] = ()
    framings: tuple[str, ...] = ()
    variants: int | None = None
    cancelled: bool = True


class Chosen(NamedTuple):
    """A shot that a run claims, as much of it as shards need; there may be millions."""

    key: str
    campaign: str
    sku: str

    @classmethod
    def of(cls, shot: Shot) -> Self:
        """That much of a shot."""
        return cls(shot.key, shot.campaign, shot.product.sku)


class Shots(Database):
    """What is wanted and where it stands."""

    def outstanding(self, campaign: str, reprocess: Reprocess | str = Reprocess.MISSING) -> list[Shot]:
        """Shots to be made, those of one persona and product next to each other.

        Args:
            reprocess: "missing" (planned and not finished), or also "failed", "rejected" or "all" that ended so.
        """
        with self.begin() as session:
            return list(session.scalars(in_shooting_order(chosen_by(campaign, Choice(Reprocess(reprocess))))))

    def campaigns_of_run(self, run: RunKey) -> list[str]:
        """Names of the campaigns of whose shots a run claimed or published any."""
        found: set[str] = set()
        with self.begin() as session:
            for table in (RunShotRow, PublicationRow):
                query = select(ShotRow.campaign).join(table, table.shot_key == ShotRow.key).distinct()
                found |= set(session.scalars(query.where(table.dag_id == run.dag_id, table.run_id == run.run_id)))
        return sorted(found)

    def shots(self, keys: Sequence[str]) -> list[Shot]:
        """The shots with these keys, in their order; unknown keys are left out."""
        with self.begin() as session:
            return found_by_key(session, keys)

    def shard_keys(self, run: RunKey, shard: int) -> list[str]:
        """Keys of the shots of one shard of a run, in the order of shooting; none where the run has no such shard."""
        query = in_shooting_order(select(ShotRow.key)).join(RunShotRow, RunShotRow.shot_key == ShotRow.key)
        query = query.where(RunShotRow.dag_id == run.dag_id, RunShotRow.run_id == run.run_id)
        with self.begin() as session:
            return list(session.scalars(query.where(RunShotRow.shard == shard)))

    def states(self, keys: Sequence[str]) -> dict[str, ShotState]:
        """Where these shots stand; unknown keys are left out."""
        known: dict[str, ShotState] = {}
        with self.begin() as session:
            for part in in_parts(keys):
                known |= dict(session.execute(select(ShotRow.key, ShotRow.state).where(ShotRow.key.in_(part))).all())
        return known

    def failures(self, keys: Sequence[str]) -> list[tuple[Shot, str]]:
        """Those of these shots that failed, and why."""
        query = select(ShotRow.spec, ShotRow.reason).where(ShotRow.state == ShotState.FAILED)
        found: list[tuple[Shot, str]] = []
        with self.begin() as session:
            for part in in_parts(keys):
                rows = session.execute(query.where(ShotRow.key.in_(part)).order_by(ShotRow.sku, ShotRow.key))
                found += [(shot, reason or "no reason was noted") for shot, reason in rows]
        return found

    def record_failure(self, shot_key: str, stage: str, reason: str) -> None:
        """A shot could not be made; ``reason`` is for the person who must act."""
        with self.begin() as session:
            set_state(session, [shot_key], ShotState.FAILED, f"{stage}: {reason}")

    def record_rejection(self, shot_key: str, reasons: Sequence[str]) -> None:
        """No take of a shot was good enough."""
        with self.begin() as session:
            withdraw_questions(session, shot_key)
            set_state(session, [shot_key], ShotState.REJECTED, "; ".join(reasons))

    def totals(self, campaign: str | None = None) -> Mapping[ShotState, int]:
        """Number of shots in every state, of one campaign or of all."""
        query = select(ShotRow.state, func.count()).group_by(ShotRow.state)
        if campaign is not None:
            query = query.where(ShotRow.campaign == campaign)
        with self.begin() as session:
            counts: dict[ShotState, int] = dict(session.execute(query).all())
        return {state: counts.get(state, 0) for state in ShotState}

    def progress(self, campaign: str | None = None) -> Progress:
        """How far the wanted shots have come, stage by stage: by what their takes left behind, not by the shots'
        states, since a retake moves a shot's state back."""
        over = ShotRow.state.not_in(UNFINISHED)
        passed = [func.count().filter(or_(over, _has_output(stage))) for stage in ("compose", "refine")]
        judged = exists().where(TakeRow.shot_key == ShotRow.key, TakeRow.verdict.is_not(None))
        query = select(
            func.count(),
            *passed,
            func.count().filter(or_(over, judged)),
            func.count().filter(over),
            func.count().filter(ShotRow.state == ShotState.FAILED),
        ).where(ShotRow.state != ShotState.SUPERSEDED)
        if campaign is not None:
            query = query.where(ShotRow.campaign == campaign)
        with self.begin() as session:
            planned, *rest = session.execute(query).one()
        return Progress(planned, *rest)


def found_by_key(session: Session, keys: Sequence[str]) -> list[Shot]:
    """The shots with these keys, in their order; unknown keys are left out."""
    known: dict[str, Shot] = {}
    for part in in_parts(keys):
        known |= dict(session.execute(select(ShotRow.key, ShotRow.spec).where(ShotRow.key.in_(part))).all())
    return [known[key] for key in keys if key in known]


def chosen_by(campaign: str, choice: Choice) -> Select[Shot]:
    """The shots of a campaign that a choice takes."""
    query = select(ShotRow.spec).where(ShotRow.campaign == campaign, ShotRow.state.in_(choice.reprocess.states))
    if choice.products:
        patterns = [each.replace("/", "//").replace("%", "/%").replace("_", "/_") for each in choice.products]
        query = query.where(or_(*(ShotRow.sku.ilike(each.replace("*", "%"), escape="/") for each in patterns)))
    for column, names in (
        (ShotRow.environment, choice.environments),
        (ShotRow.persona, choice.personas),
        (ShotRow.framing, choice.framings),
    ):
        if names:
            query = query.where(column.in_(names))
    if choice.variants is not None:
        variant = type_coerce(ShotRow.spec, JSONB)["value"]["variant"].as_integer()
        query = query.where(variant < choice.variants)
    if not choice.cancelled:
        query = query.where(~_left_by_a_cancelled_run())
    return query if choice.changed is None else _changed(query, *choice.changed)


def _changed(query: Select[Shot], since: datetime, until: datetime) -> Select[Shot]:
    """Shots of which a row bears a time of the interval, or of which none explains that they are to be made."""
    since -= COMMITTED_LATE
    moments = (CampaignRow.updated_at, ProductRow.updated_at, EnvironmentRow.updated_at, PersonaRow.updated_at)
    before = aliased(ShotRow)
    # The same rows gave another shot before, so that it was the recipe or the bundle that changed.
    redrawn = exists().where(
        before.campaign == ShotRow.campaign,
        before.sku == ShotRow.sku,
        before.environment == ShotRow.environment,
        before.persona.is_not_distinct_from(ShotRow.persona),
        before.framing == ShotRow.framing,
        before.created_at < ShotRow.created_at,
        before.created_at >= func.greatest(*moments),
    )
    lost = and_(ShotRow.state == ShotState.PLANNED, ShotRow.reason.is_not(None))
    return (
        query.join(CampaignRow, CampaignRow.name == ShotRow.campaign)
        .join(ProductRow, ProductRow.sku == ShotRow.sku)
        .join(EnvironmentRow, EnvironmentRow.name == ShotRow.environment)
        .outerjoin(PersonaRow, PersonaRow.name == ShotRow.persona)
        .where(or_(*(and_(moment >= since, moment < until) for moment in moments), redrawn, lost))
    )


def _left_by_a_cancelled_run() -> ColumnElement[bool]:
    """Whether the last run that took a shot up was cancelled."""
    last = (
        select(RunRow.cancelled)
        .join(RunShotRow, and_(RunShotRow.dag_id == RunRow.dag_id, RunShotRow.run_id == RunRow.run_id))
        .where(RunShotRow.shot_key == ShotRow.key, ~RunShotRow.shared)
        .order_by(RunRow.started_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    return func.coalesce(last, false())


def _has_output(stage: str) -> ColumnElement[bool]:
    return exists().where(
        and_(
            TakeRow.shot_key == ShotRow.key,
            TakeOutputRow.take_key == TakeRow.key,
            TakeOutputRow.stage == stage,
        )
    )


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


def withdraw_questions(session: Session, shot_key: str) -> None:
    """What nobody has answered about a shot need not be answered any more."""
    session.execute(delete(ReviewRow).where(ReviewRow.shot_key == shot_key, ReviewRow.decision.is_(None)))


def in_shooting_order(query: Select[S]) -> Select[S]:
    """Shots of one person and one product next to each other, so that their encodings are still at hand."""
    return query.order_by(func.coalesce(ShotRow.persona, ""), ShotRow.sku, ShotRow.environment, ShotRow.key)
