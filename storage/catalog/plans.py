"""A campaign's plan in the catalog: what it wants is recorded, what it no longer wants is let go, and what a run claims
of it is chosen.

Shots that would be made again only because something got another name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Column, MetaData, String, Table, Text, and_, exists, func, insert, select, text, update
from sqlalchemy.orm import Session

from brief.plan import Plan
from brief.types import Campaign, Shot
from storage.catalog.database import Database, array_of, in_parts, upsert
from storage.catalog.errors import RowMissing
from storage.catalog.records import PlanRecord
from storage.catalog.runs import RunKey
from storage.catalog.shots import Choice, Chosen, chosen_by, found_by_key, in_shooting_order, set_state
from storage.catalog.tables import (
    CampaignRow,
    Decision,
    ProductRow,
    PublicationRow,
    ReviewRow,
    ShotRow,
    ShotState,
    TakeOutputRow,
)

T = TypeVar("T")
PLANNED_AT_ONCE = 10_000
"""Shots of a plan that are held in memory together, some kilobytes each."""


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


class Plans(Database):
    """What campaigns want."""

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
            query = in_shooting_order(chosen_by(campaign.name, choice)).with_only_columns(ShotRow.key, ShotRow.sku)
            rows = session.execute(query, execution_options={"yield_per": PLANNED_AT_ONCE})
            skus: dict[str, str] = {}  # each text once, however many shots share it
            chosen = [Chosen(key, campaign.name, skus.setdefault(sku, sku)) for key, sku in rows]
            if dry is None:
                return Selection(record, chosen)
            keys = [each.key for each in chosen]
            same: Counter[str] = Counter()
            for part in in_parts(keys, PLANNED_AT_ONCE):
                same.update(renamed(session, found_by_key(session, part)).values())
            shown = found_by_key(session, keys[:dry])
            session.rollback()
        return Selection(record, chosen, same, shown)


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


def _ahead(parts: Iterator[T]) -> Iterator[T]:
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
