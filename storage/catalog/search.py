"""Finding shots and waiting reviews: by words, by what they show, page by page at any number of rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, DateTime, Select, Text, cast, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from storage.catalog import gallery, reviews
from storage.catalog.records import ReviewRecord, ShotRecord
from storage.catalog.runs import RunKey
from storage.catalog.tables import (
    CampaignRow,
    EnvironmentRow,
    PersonaRow,
    ProductRow,
    ReviewRow,
    RunShotRow,
    ShotRow,
    ShotState,
    TakeRow,
)
from storage.catalog.takes import take_of

COUNTED = 10_000
"""Results are counted up to here; a page that says "more than 10,000" need not know how many more."""
MOST_WAITING = 5_000
"""Reviews that a list of those that wait looks at."""


class Order(StrEnum):
    """In which order shots come."""

    LATEST = "latest"
    OLDEST = "oldest"
    SKU = "sku"


class ReviewOrder(StrEnum):
    """In which order waiting reviews come; best and worst by the mean of the scores."""

    OLDEST = "oldest"
    NEWEST = "newest"
    BEST = "best"
    WORST = "worst"


class BadMark(ValueError):
    """A page's mark that no page gave out."""


@dataclass(frozen=True, slots=True)
class ShownIn:
    """What shots and reviews are looked for by; empty means any.

    ``text``: words, each of which is part of the SKU, product, place, persona or campaign, in whatever case.
    """

    text: str = ""
    campaign: str = ""
    environment: str = ""
    persona: str = ""
    framing: str = ""

    def conditions(self) -> list[ColumnElement[bool]]:
        """As SQL conditions on shots."""
        wanted = {
            ShotRow.campaign: self.campaign,
            ShotRow.environment: self.environment,
            ShotRow.persona: self.persona,
            ShotRow.framing: self.framing,
        }
        return [
            *(column == value for column, value in wanted.items() if value),
            *(_has_word(word) for word in self.text.split()),
        ]


@dataclass(frozen=True, slots=True)
class ShotSearch:
    """Which shots; superseded ones only where ``state`` asks for them or a run took them up."""

    shown: ShownIn = ShownIn()
    sku: str = ""
    state: ShotState | None = None
    run: RunKey | None = None
    order: Order = Order.LATEST

    def conditions(self) -> list[ColumnElement[bool]]:
        """As SQL conditions on shots."""
        found = self.shown.conditions()
        if self.sku:
            found.append(ShotRow.sku == self.sku)
        if self.run is not None:
            of_run = select(RunShotRow.shot_key).where(
                RunShotRow.dag_id == self.run.dag_id, RunShotRow.run_id == self.run.run_id
            )
            found.append(ShotRow.key.in_(of_run))
        if self.state is not None:
            found.append(ShotRow.state == self.state)
        elif self.run is None:
            found.append(ShotRow.state != ShotState.SUPERSEDED)
        return found


@dataclass(frozen=True, slots=True)
class FoundShots:
    """A page of shots; ``total`` counts up to :data:`COUNTED` + 1, ``mark`` asks for the page after."""

    shots: tuple[ShotRecord, ...]
    total: int
    mark: str | None


@dataclass(frozen=True, slots=True)
class ReviewSearch:
    """Which waiting reviews; ``reason`` is part of a reason, such as a dimension's name."""

    shown: ShownIn = ShownIn()
    reason: str = ""
    order: ReviewOrder = ReviewOrder.OLDEST


def find(session: Session, wanted: ShotSearch, *, after: str = "", limit: int = 48) -> FoundShots:
    """A page of shots, from where the page before left off (``after``: its mark).

    Raises:
        BadMark: ``after`` is no mark.
    """
    conditions = wanted.conditions()
    counted = select(literal(1)).select_from(ShotRow).where(*conditions).limit(COUNTED + 1).subquery()
    total = session.scalar(select(func.count()).select_from(counted)) or 0
    query = _ordered(select(ShotRow.key, ShotRow.updated_at, ShotRow.sku).where(*conditions), wanted.order, after)
    rows = session.execute(query.limit(limit + 1)).all()
    page = rows[:limit]
    records = {record.shot.key: record for record in gallery.shot_records(session, [row.key for row in page])}
    mark = None
    if len(rows) > limit:
        last = page[-1]
        mark = f"{last.sku if wanted.order is Order.SKU else last.updated_at.isoformat()}~{last.key}"
    return FoundShots(tuple(records[row.key] for row in page), total, mark)


def keys(session: Session, wanted: ShotSearch, limit: int) -> list[str]:
    """Keys of all shots that are wanted, in order, at most ``limit``."""
    query = _ordered(select(ShotRow.key).where(*wanted.conditions()), wanted.order, "")
    return list(session.scalars(query.limit(limit)))


def waiting(session: Session, wanted: ReviewSearch) -> list[int]:
    """Ids of the reviews that wait, in order, at most :data:`MOST_WAITING`."""
    query = (
        select(ReviewRow.id, TakeRow)
        .join(ShotRow, ShotRow.key == ReviewRow.shot_key)
        .join(TakeRow, TakeRow.key == ReviewRow.take_key)
        .where(ReviewRow.decision.is_(None), ShotRow.state != ShotState.SUPERSEDED, *wanted.shown.conditions())
    )
    if wanted.reason:
        query = query.where(cast(ReviewRow.reasons, Text).icontains(wanted.reason, autoescape=True))
    newest = wanted.order is ReviewOrder.NEWEST
    query = query.order_by(ReviewRow.id.desc() if newest else ReviewRow.id).limit(MOST_WAITING)
    if wanted.order in (ReviewOrder.OLDEST, ReviewOrder.NEWEST):
        return list(session.scalars(query.with_only_columns(ReviewRow.id)))
    means = {number: _mean(row) for number, row in session.execute(query)}
    return sorted(means, key=lambda number: means[number], reverse=wanted.order is ReviewOrder.BEST)


def waiting_count(session: Session) -> int:
    """How many reviews wait for a person."""
    query = select(func.count()).select_from(ReviewRow).join(ShotRow, ShotRow.key == ReviewRow.shot_key)
    return session.scalar(query.where(ReviewRow.decision.is_(None), ShotRow.state != ShotState.SUPERSEDED)) or 0


def reviews_by_id(session: Session, ids: list[int]) -> list[ReviewRecord]:
    """These reviews in this order; unknown ids are left out."""
    found = {record.id: record for record in reviews.records_by_id(session, ids)}
    return [found[number] for number in ids if number in found]


def _mean(row: TakeRow) -> float:
    card = take_of(row).scorecard
    return sum(card.values.values()) / len(card.values) if card and card.values else 0.0


def _has_word(word: str) -> ColumnElement[bool]:
    """Looked up in the small tables first: rows of the catalog are few beside shots."""

    def named(column: ColumnElement[str], *also: ColumnElement[str]) -> Select[str]:
        return select(column).where(or_(*(each.icontains(word, autoescape=True) for each in (column, *also))))

    product, place, campaign = ProductRow, EnvironmentRow, CampaignRow
    return or_(
        ShotRow.sku.in_(named(product.sku, product.title, product.category)),  # type: ignore[arg-type]
        ShotRow.environment.in_(named(place.name, place.description)),  # type: ignore[arg-type]
        ShotRow.persona.in_(named(PersonaRow.name)),  # type: ignore[arg-type]
        ShotRow.campaign.in_(named(campaign.name, campaign.title)),  # type: ignore[arg-type]
    )


def _ordered(query: Select[*tuple[object, ...]], order: Order, after: str) -> Select[*tuple[object, ...]]:
    if order is Order.SKU:
        column: ColumnElement[object] = ShotRow.sku  # type: ignore[assignment]
    else:
        column = ShotRow.updated_at  # type: ignore[assignment]
    backwards = order is Order.LATEST
    if after:
        value, key = _parsed(order, after)
        here, there = tuple_(column, ShotRow.key), tuple_(value, literal(key))
        query = query.where(here < there if backwards else here > there)
    if backwards:
        return query.order_by(column.desc(), ShotRow.key.desc())
    return query.order_by(column, ShotRow.key)


def _parsed(order: Order, mark: str) -> tuple[ColumnElement[object], str]:
    value, _, key = mark.rpartition("~")
    if not key:
        raise BadMark(f"{mark!r} is not the mark of a page; begin with the first page")
    if order is Order.SKU:
        return literal(value), key
    try:
        return literal(datetime.fromisoformat(value), DateTime(timezone=True)), key
    except ValueError as error:
        raise BadMark(f"{mark!r} is not the mark of a page; begin with the first page") from error
