"""Shots in the catalog: what a plan wants, what is still to be made, where each stands.

Shots that would be made again only because something got another name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any, NamedTuple, Self, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    MetaData,
    Select,
    String,
    Table,
    Text,
    and_,
    delete,
    exists,
    false,
    func,
    insert,
    or_,
    select,
    text,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, aliased

from brief.plan import Plan
from brief.types import Campaign, Shot
from storage.catalog.database import Database, array_of, in_parts, upsert
from storage.catalog.errors import RowMissing
from storage.catalog.records import PlanRecord, Progress
from storage.catalog.runs import RunKey
from storage.catalog.tables import (
    CampaignRow,
    Decision,
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


PLANNED_AT_ONCE = 10_000
"""Shots of a plan that are held in memory together, some kilobytes each."""


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


@dataclass(frozen=True, slots=True)
class Selection:
    """What planning a campaign came to.

    Attributes:
        chosen: what the run claims, in the order of shooting.
        renamed: of a dry run, how many of them differ from a published shot by which names alone.
        shown: of a dry run, the first of them in full.
    """

    record: PlanRecord
    chosen: list[Chosen]
    renamed: Mapping[str, int] = field(default_factory=dict)
    shown: Sequence[Shot] = ()


class Shots(Database):
    """What is wanted and where it stands."""

    def record_plan(self, campaign: Campaign, plan: Plan, run: RunKey) -> PlanRecord:
        """Save the plan of a campaign: new shots become ``planned``; shots that it no longer wants become
        ``superseded``; superseded ones that it wants again get the state that they had reached. Shots of products
        that could not be planned stay as they are, unless the product is retired.

        Raises:
            RowMissing: the catalog does not have the campaign.
        """
        return self.plan_and_choose(campaign, plan, run, Choice()).record

    def plan_and_choose(
        self, campaign: Campaign, plan: Plan, run: RunKey, choice: Choice, *, dry: int | None = None
    ) -> Selection:
        """As :meth:`record_plan`, and what a run then claims, those of one persona and product next to each other.

        Args:
            dry: take all of it back at the end, so that it only says what would be: of so many shots in full.
        """
        with self.begin() as session:
            record = _record_plan(session, campaign.name, plan, run)
            query = in_shooting_order(_chosen(campaign.name, choice)).with_only_columns(ShotRow.key, ShotRow.sku)
            rows = session.execute(query, execution_options={"yield_per": PLANNED_AT_ONCE})
            skus: dict[str, str] = {}  # each text once, however many shots share it
            chosen = [Chosen(key, campaign.name, skus.setdefault(sku, sku)) for key, sku in rows]
            if dry is None:
                return Selection(record, chosen)
            keys = [each.key for each in chosen]
            same: Counter[str] = Counter()
            for part in in_parts(keys, PLANNED_AT_ONCE):
                same.update(renamed(session, _shots(session, part)).values())
            shown = _shots(session, keys[:dry])
            session.rollback()
        return Selection(record, chosen, same, shown)

    def outstanding(self, campaign: str, reprocess: Reprocess | str = Reprocess.MISSING) -> list[Shot]:
        """Shots to be made, those of one persona and product next to each other.

        Args:
            reprocess: "missing" (planned and not finished), or also "failed", "rejected" or "all" that ended so.
        """
        with self.begin() as session:
            return list(session.scalars(in_shooting_order(_chosen(campaign, Choice(Reprocess(reprocess))))))

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
            return _shots(session, keys)

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


def _shots(session: Session, keys: Sequence[str]) -> list[Shot]:
    known: dict[str, Shot] = {}
    for part in in_parts(keys):
        known |= dict(session.execute(select(ShotRow.key, ShotRow.spec).where(ShotRow.key.in_(part))).all())
    return [known[key] for key in keys if key in known]


_wanted = Table("wanted", MetaData(), Column("key", String(32)), prefixes=["TEMPORARY"], postgresql_on_commit="DROP")
"""Keys of the plan that is being recorded, kept by the database: a million take a hundred megabytes here."""


def _record_plan(session: Session, campaign: str, plan: Plan, run: RunKey) -> PlanRecord:
    # Two plans of one campaign at once would each supersede what only the other wants: one after the other.
    if session.scalar(select(CampaignRow.name).where(CampaignRow.name == campaign).with_for_update()) is None:
        raise RowMissing(f"campaign {campaign!r} is not in the catalog, so its plan cannot be kept; import it first")
    _wanted.create(session.connection())
    new = number = 0
    for rows in _ahead(_rows_of(plan, run)):
        number += len(rows)
        keys = array_of([row["key"] for row in rows], Text)
        session.execute(insert(_wanted).from_select(["key"], select(func.unnest(keys))))
        new += len(upsert(session, ShotRow, rows, keep=(*_started(run), "campaign")).inserted)
    # What PostgreSQL believes of the shots is of before this plan: with an index no way that it takes is quadratic.
    session.execute(text("CREATE INDEX ON wanted (key)"))
    session.execute(text("ANALYZE wanted"))
    dropped = _supersede(session, campaign, plan.refused)
    is_wanted = exists().where(_wanted.c.key == ShotRow.key)
    back = select(ShotRow.key).where(ShotRow.campaign == campaign, ShotRow.state == ShotState.SUPERSEDED, is_wanted)
    revived = list(session.scalars(back))
    _revive(session, revived)
    _wanted.drop(session.connection())
    counting = select(ShotRow.state, func.count()).where(ShotRow.campaign == campaign).group_by(ShotRow.state)
    states: dict[ShotState, int] = dict(session.execute(counting).all())
    return PlanRecord(new, number - new - len(revived), len(revived), dropped, plan.left_out, states)


def _rows_of(plan: Plan, run: RunKey) -> Iterator[list[dict[str, Any]]]:
    started, shots = _started(run), iter(plan)
    while part := [{**_shot_values(shot), **started} for shot in islice(shots, PLANNED_AT_ONCE)]:
        yield part


def _started(run: RunKey) -> dict[str, Any]:
    return {"state": ShotState.PLANNED, "reason": None, "dag_id": run.dag_id, "run_id": run.run_id}


def _ahead(parts: Iterator[S]) -> Iterator[S]:
    """The same, each made in a thread while the one before is in use: the database works, so we can, too."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, parts, None)
        while (part := coming.result()) is not None:
            coming = thread.submit(next, parts, None)
            yield part


def _supersede(session: Session, campaign: str, refused: Collection[str]) -> int:
    """Let go of what the plan no longer wants; what could not be planned now, and is not retired, stays."""
    refused_now = array_of(sorted(refused), Text)
    unplannable = select(ProductRow.sku).where(ProductRow.sku == func.any(refused_now), ProductRow.retired_at.is_(None))
    dropping = update(ShotRow).where(
        ShotRow.campaign == campaign,
        ShotRow.state != ShotState.SUPERSEDED,
        ~exists().where(_wanted.c.key == ShotRow.key),
        ShotRow.sku.not_in(unplannable),
    )
    why = "the campaign's plan no longer wants it"
    values = {"state": ShotState.SUPERSEDED, "reason": why, "updated_at": datetime.now(UTC)}
    dropped = dropping.values(**values).returning(ShotRow.key).cte()
    return session.scalar(select(func.count()).select_from(dropped)) or 0


def _chosen(campaign: str, choice: Choice) -> Select[Shot]:
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


def _shot_values(shot: Shot) -> dict[str, Any]:
    return {
        "key": shot.key,
        "campaign": shot.campaign,
        "sku": shot.product.sku,
        "environment": shot.environment.name,
        "persona": shot.persona.name if shot.persona else None,
        "framing": shot.framing.value,
        "spec": shot,
    }


def _revive(session: Session, keys: Collection[str]) -> None:
    """Give superseded shots the state that they had reached; one whose take was cleared away is made again."""
    published: set[str] = set()
    answers: dict[str, Decision | None] = {}
    for part in in_parts(keys):
        published |= set(session.scalars(select(PublicationRow.shot_key).where(PublicationRow.shot_key.in_(part))))
        refined = and_(TakeOutputRow.take_key == ReviewRow.take_key, TakeOutputRow.stage == "refine")
        query = select(ReviewRow.shot_key, ReviewRow.decision).join(TakeOutputRow, refined)
        query = query.where(ReviewRow.shot_key.in_(part)).order_by(ReviewRow.id)
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


def withdraw_questions(session: Session, shot_key: str) -> None:
    """What nobody has answered about a shot need not be answered any more."""
    session.execute(delete(ReviewRow).where(ReviewRow.shot_key == shot_key, ReviewRow.decision.is_(None)))


def in_shooting_order(query: Select[S]) -> Select[S]:
    """Shots of one person and one product next to each other, so that their encodings are still at hand."""
    return query.order_by(func.coalesce(ShotRow.persona, ""), ShotRow.sku, ShotRow.environment, ShotRow.key)


_PACKSHOT = func.jsonb_extract_path_text(ShotRow.__table__.c.spec, "value", "product", "packshot", "sha256")


def renamed(session: Session, shots: Iterable[Shot]) -> dict[str, str]:
    """Of these shots, by key, those of which a published one differs by names (and so by its seed) alone, and which
    names these are ("SKU 'MUG-1' was 'MUG', campaign 'spring' was 'autumn'")."""
    wanted = {shot.key: shot for shot in shots}
    by_content: dict[tuple[object, ...], Shot] = {}
    for part in in_parts({shot.product.packshot.sha256 for shot in wanted.values()}):
        query = select(ShotRow.spec).join(PublicationRow, PublicationRow.shot_key == ShotRow.key)
        for other in session.scalars(query.where(_PACKSHOT.in_(part), ShotRow.key.not_in(wanted))):
            by_content[_content(other)] = other
    found = {key: by_content.get(_content(shot)) for key, shot in wanted.items()}
    return {key: change for key, other in found.items() if other and (change := _other_names(wanted[key], other))}


def _content(shot: Shot) -> tuple[object, ...]:
    """All that decides a picture but its seed."""
    return (
        shot.product.packshot.sha256, shot.environment.photo.sha256, shot.portrait_key, shot.framing, shot.variant,
        shot.prompt, shot.negative, shot.width, shot.height, shot.recipe,
    )  # fmt: skip


def _other_names(now: Shot, then: Shot) -> str:
    pairs = {
        "SKU": (now.product.sku, then.product.sku),
        "environment": (now.environment.name, then.environment.name),
        "persona": (now.persona.name if now.persona else "", then.persona.name if then.persona else ""),
        "campaign": (now.campaign, then.campaign),
    }
    return ", ".join(f"{what} {new!r} was {old!r}" for what, (new, old) in pairs.items() if new != old)
