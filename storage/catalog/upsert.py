"""Insert or update many rows in one statement, so that two runs at the same time cannot collide."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Text, bindparam, cast, column, func, inspect, or_, select
from sqlalchemy.dialects.postgresql import JSON, insert
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from storage.catalog.json_types import Versioned
from storage.catalog.tables import Base

T = TypeVar("T")
PER_STATEMENT = 500
ROWS_PER_STATEMENT = 2000
"""Of one JSON document; some megabytes of shots."""


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
    columns = table.__table__.columns
    for chunk in in_parts(ordered, ROWS_PER_STATEMENT):
        names = [*chunk[0], "created_at", "updated_at"]
        text = _as_json([{**row, "created_at": now, "updated_at": now} for row in chunk], columns)
        typed = (column(name, columns[name].type) for name in names)
        given = (
            func.json_to_recordset(cast(bindparam(None, text, Text), JSON))
            .table_valued(*typed, name="given")
            .render_derived(with_types=True)
        )
        statement = insert(table).from_select(names, select(*(given.c[name] for name in names)))
        moving = [name for name in chunk[0] if name != key and name not in keep]
        upserting = statement.on_conflict_do_update(
            index_elements=[key],
            set_={name: statement.excluded[name] for name in (*moving, "updated_at")},
            where=or_(*(columns[name].is_distinct_from(statement.excluded[name]) for name in moving)),
        ).returning(columns[key], columns["created_at"])
        for name, created_at in session.execute(upserting):
            (inserted if created_at == now else updated).append(name)
    return Upserted(tuple(inserted), tuple(updated))


def _as_json(rows: Sequence[Mapping[str, Any]], columns: ReadOnlyColumnCollection[str, Any]) -> str:
    """Rows as one parameter: a parameter for each value of each row takes twenty times as long to put together, and
    arrays have every quotation mark of a JSON column escaped in Python."""
    dump = {name: kind.to_json if isinstance(kind := columns[name].type, Versioned) else _to_json for name in rows[0]}
    lines = (",".join(f'"{name}":{dump[name](value)}' for name, value in row.items()) for row in rows)
    return "[" + ",".join(f"{{{line}}}" for line in lines) + "]"


_to_json = json.JSONEncoder(ensure_ascii=False, default=datetime.isoformat).encode


def in_parts(items: Collection[T], size: int = PER_STATEMENT) -> Iterator[list[T]]:
    """Parts that fit into one statement, whose number of parameters PostgreSQL limits."""
    everything = list(items)
    return (everything[start : start + size] for start in range(0, len(everything), size))
