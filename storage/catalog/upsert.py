"""Insert or update many rows in one statement, so that two runs at the same time cannot collide."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import inspect, or_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from storage.catalog.tables import Base

T = TypeVar("T")
PER_STATEMENT = 500


@dataclass(frozen=True, slots=True)
class Upserted:
    """Primary keys of the rows that were new, and of those that changed; the others were as they should be."""

    inserted: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()


def upsert(
    session: Session, table: type[Base], rows: Iterable[Mapping[str, Any]], *, keep: Collection[str] = ()
) -> Upserted:
    """Make the table hold ``rows``; ``created_at`` and ``updated_at`` are filled in, the latter only on change.

    Args:
        rows: by column name, all of the same columns; each primary key at most once.
        keep: columns that are written for new rows and left alone in those that are there.
    """
    (key,) = (column.name for column in inspect(table).primary_key)
    # The same order in every transaction, since two that lock rows in different orders wait for each other for ever.
    ordered = sorted(rows, key=lambda row: str(row[key]))
    inserted: list[str] = []
    updated: list[str] = []
    now = datetime.now(UTC)
    for chunk in in_parts(ordered):
        values = [{**row, "created_at": now, "updated_at": now} for row in chunk]
        statement = insert(table).values(values)
        moving = [name for name in chunk[0] if name != key and name not in keep]
        columns = table.__table__.columns
        upserting = statement.on_conflict_do_update(
            index_elements=[key],
            set_={name: statement.excluded[name] for name in (*moving, "updated_at")},
            where=or_(*(columns[name].is_distinct_from(statement.excluded[name]) for name in moving)),
        ).returning(columns[key], columns["created_at"])
        for name, created_at in session.execute(upserting):
            (inserted if created_at == now else updated).append(name)
    return Upserted(tuple(inserted), tuple(updated))


def in_parts(items: Collection[T]) -> Iterator[list[T]]:
    """Parts that fit into one statement, whose number of parameters PostgreSQL limits."""
    everything = list(items)
    return (everything[start : start + PER_STATEMENT] for start in range(0, len(everything), PER_STATEMENT))
