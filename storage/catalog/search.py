"""Finding shots and waiting reviews: by words, by what they show, page by page at any number of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Select,
    Text,
    and_,
    any_,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.orm import Session

from brief.errors import StorageError
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

COUNTED = 10_000
"""Results are counted up to here; a page that says "more than 10,000" need not know how many more."""


PLACES = 1_000
"""Reviews that wait are counted up to here in the navigation and beside a review."""
LISTED = 500
"""Names in a list to choose from; whatever is beyond is found by its words."""


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


class BadCursor(StorageError, ValueError):
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

    def conditions(self, session: Session) -> list[ColumnElement[bool]]:
        """As SQL conditions on shots."""
        wanted = {
            ShotRow.campaign: self.campaign,
            ShotRow.environment: self.environment,
            ShotRow.persona: self.persona,
            ShotRow.framing: self.framing,
        }
        return [
            *(column == value for column, value in wanted.items() if value),
            *(_has_word(session, word) for word in self.text.split()),
        ]


@dataclass(frozen=True, slots=True)
class ShotSearch:
    """Which shots; superseded ones only where ``state`` asks for them or a run took them up."""

    shown: ShownIn = ShownIn()
    sku: str = ""
    state: ShotState | None = None
    run: RunKey | None = None
    order: Order = Order.LATEST

    def conditions(self, session: Session) -> list[ColumnElement[bool]]:
        """As SQL conditions on shots."""
        found = self.shown.conditions(session)
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
class FoundReviews:
    """A page of waiting reviews; ``total`` counts up to :data:`COUNTED` + 1, ``mark`` asks for the page after."""

    reviews: tuple[ReviewRecord, ...]
    total: int
    mark: str | None


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Ids of the reviews beside one, and that it is number ``at`` of ``total``; 0 where it does not wait. Both are
    counted up to :data:`PLACES` + 1."""

    before: int | None
    after: int | None
    at: int
    total: int


@dataclass(frozen=True, slots=True)
class ReviewSearch:
    """Which waiting reviews; ``reason`` is part of a reason, such as a dimension's name."""

    shown: ShownIn = ShownIn()
    reason: str = ""
    order: ReviewOrder = ReviewOrder.OLDEST


def find(session: Session, wanted: ShotSearch, *, after: str = "", limit: int = 48) -> FoundShots:
    """A page of shots, from where the page before left off (``after``: its mark).

    Raises:
        BadCursor: ``after`` is no mark.
    """
    conditions = wanted.conditions(session)
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


def beside(session: Session, wanted: ShotSearch, key: str) -> tuple[str | None, str | None]:
    """Keys of the shots before and after one in the search."""
    row = session.get(ShotRow, key)
    if row is None:
        return None, None
    mark = f"{row.sku if wanted.order is Order.SKU else row.updated_at.isoformat()}~{key}"
    query = select(ShotRow.key).where(*wanted.conditions(session))
    before: str | None = session.scalar(_ordered(query, wanted.order, mark, reverse=True).limit(1))  # type: ignore[assignment]
    after: str | None = session.scalar(_ordered(query, wanted.order, mark).limit(1))  # type: ignore[assignment]
    return before, after


def keys(session: Session, wanted: ShotSearch, limit: int) -> list[str]:
    """Keys of all shots that are wanted, in order, at most ``limit``."""
    query = _ordered(select(ShotRow.key).where(*wanted.conditions(session)), wanted.order, "")
    return list(session.scalars(query.limit(limit)))


def find_reviews(session: Session, wanted: ReviewSearch, *, after: str = "", limit: int = 48) -> FoundReviews:
    """A page of the reviews that wait, from where the page before left off (``after``: its mark).

    Raises:
        BadCursor: ``after`` is no mark.
    """
    conditions = _waiting(session, wanted)
    value, _ = _REVIEW_ORDERS[wanted.order]
    query = select(ReviewRow.id, value).where(*conditions)
    if after:
        query = query.where(_beyond(wanted.order, *_review_mark(after)))
    rows = session.execute(_in_review_order(_joined(query), wanted.order).limit(limit + 1)).all()
    page = rows[:limit]
    mark = f"{page[-1][1]!r}~{page[-1][0]}" if len(rows) > limit else None
    return FoundReviews(tuple(reviews_by_id(session, [row[0] for row in page])), _counted(session, conditions), mark)


def neighbours(session: Session, wanted: ReviewSearch, review_id: int) -> Neighbours:
    """The waiting reviews before and after one in the search; of one that does not wait (any more), the first."""
    conditions = _waiting(session, wanted)
    value, _ = _REVIEW_ORDERS[wanted.order]
    here = session.execute(_joined(select(ReviewRow.id, value).where(*conditions, ReviewRow.id == review_id))).first()
    ids = _joined(select(ReviewRow.id).where(*conditions))
    total = _counted(session, conditions, PLACES)
    if here is None:
        return Neighbours(None, session.scalar(_in_review_order(ids, wanted.order).limit(1)), 0, total)
    beyond = _beyond(wanted.order, here[1], here[0])
    before = _beyond(wanted.order, here[1], here[0], reverse=True)
    return Neighbours(
        session.scalar(_in_review_order(ids.where(before), wanted.order, reverse=True).limit(1)),
        session.scalar(_in_review_order(ids.where(beyond), wanted.order).limit(1)),
        min(PLACES + 1, _counted(session, [*conditions, before], PLACES) + 1),
        total,
    )


_REVIEW_ORDERS: Mapping[ReviewOrder, tuple[ColumnElement[Any], bool]] = {
    ReviewOrder.OLDEST: (ReviewRow.id, False),  # type: ignore[dict-item]
    ReviewOrder.NEWEST: (ReviewRow.id, True),  # type: ignore[dict-item]
    ReviewOrder.BEST: (TakeRow.mean_score, True),  # type: ignore[dict-item]
    ReviewOrder.WORST: (TakeRow.mean_score, False),  # type: ignore[dict-item]
}
"""By what reviews are ordered, and whether the highest comes first; equal ones by their id in the same direction."""


def _waiting(session: Session, wanted: ReviewSearch) -> list[ColumnElement[bool]]:
    found = [ReviewRow.decision.is_(None), ShotRow.state != ShotState.SUPERSEDED, *wanted.shown.conditions(session)]
    if wanted.reason:
        found.append(cast(ReviewRow.reasons, Text).icontains(wanted.reason, autoescape=True))
    return found


def _joined(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    query = query.join(ShotRow, ShotRow.key == ReviewRow.shot_key)
    return query.join(TakeRow, TakeRow.key == ReviewRow.take_key)


def _in_review_order(
    query: Select[*tuple[Any, ...]], order: ReviewOrder, *, reverse: bool = False
) -> Select[*tuple[Any, ...]]:
    value, backwards = _REVIEW_ORDERS[order]
    if backwards is not reverse:
        return query.order_by(value.desc(), ReviewRow.id.desc())
    return query.order_by(value, ReviewRow.id)


def _beyond(order: ReviewOrder, mark: float, review_id: int, *, reverse: bool = False) -> ColumnElement[bool]:
    value, backwards = _REVIEW_ORDERS[order]
    further_down = backwards is not reverse
    if order in (ReviewOrder.OLDEST, ReviewOrder.NEWEST):
        return ReviewRow.id < review_id if further_down else ReviewRow.id > review_id
    here, there = tuple_(value, ReviewRow.id), tuple_(literal(mark), literal(review_id))
    # The two columns are of two tables: the first condition is what an index can begin at.
    return and_(value <= mark, here < there) if further_down else and_(value >= mark, here > there)


def _review_mark(mark: str) -> tuple[float, int]:
    value, _, number = mark.rpartition("~")
    try:
        found = float(value), int(number)
    except ValueError as error:
        raise BadCursor(f"{mark!r} is not the mark of a page; begin with the first page") from error
    if not 0 <= found[1] < 2**31:
        raise BadCursor(f"{mark!r} is not the mark of a page; begin with the first page")
    return found


def _counted(session: Session, conditions: Sequence[ColumnElement[bool]], most: int = COUNTED) -> int:
    """How many reviews fit, up to ``most`` + 1."""
    some = _joined(select(literal(1)).select_from(ReviewRow)).where(*conditions).limit(most + 1).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def names(session: Session) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Names of campaigns, environments and personas, for lists to choose from."""
    campaigns, environments, personas = (
        tuple(session.scalars(select(column).order_by(column).limit(LISTED)))
        for column in (CampaignRow.name, EnvironmentRow.name, PersonaRow.name)
    )
    return campaigns, environments, personas


def waiting_count(session: Session) -> int:
    """How many reviews wait for a person, up to :data:`PLACES` + 1."""
    return _counted(session, _waiting(session, ReviewSearch()), PLACES)


def reviews_by_id(session: Session, ids: list[int]) -> list[ReviewRecord]:
    """These reviews in this order; unknown ids are left out."""
    found = {record.id: record for record in reviews.records_by_id(session, ids)}
    return [found[number] for number in ids if number in found]


def _has_word(session: Session, word: str) -> ColumnElement[bool]:
    """Looked up in the small tables first: rows of the catalog are few beside shots, and with the names themselves
    PostgreSQL knows how many shots to expect and by which index to find them."""
    places: tuple[tuple[Any, Any, tuple[Any, ...]], ...] = (
        (ShotRow.sku, ProductRow.sku, (ProductRow.title, ProductRow.category)),
        (ShotRow.environment, EnvironmentRow.name, (EnvironmentRow.description,)),
        (ShotRow.persona, PersonaRow.name, ()),
        (ShotRow.campaign, CampaignRow.name, (CampaignRow.title,)),
    )
    found: list[ColumnElement[bool]] = [false()]
    for column, name, also in places:
        like = or_(*(each.icontains(word, autoescape=True) for each in (name, *also)))
        if names := list(session.scalars(select(name).where(like))):
            found.append(column == any_(literal(names, ARRAY(Text))))
    return or_(*found)


def _ordered(
    query: Select[*tuple[object, ...]], order: Order, after: str, *, reverse: bool = False
) -> Select[*tuple[object, ...]]:
    if order is Order.SKU:
        column: ColumnElement[object] = ShotRow.sku  # type: ignore[assignment]
    else:
        column = ShotRow.updated_at  # type: ignore[assignment]
    backwards = (order is Order.LATEST) is not reverse
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
        raise BadCursor(f"{mark!r} is not the mark of a page; begin with the first page")
    if order is Order.SKU:
        return literal(value), key
    try:
        return literal(datetime.fromisoformat(value), DateTime(timezone=True)), key
    except ValueError as error:
        raise BadCursor(f"{mark!r} is not the mark of a page; begin with the first page") from error
