"""The catalog's database: its engine, transactions whose errors name it, and many rows inserted or updated in one
statement, so that two runs at the same time cannot collide."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

from sqlalchemy import (
    Engine,
    Text,
    bindparam,
    cast,
    column,
    create_engine,
    func,
    inspect,
    make_url,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSON, insert
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from storage.catalog.errors import ORIGIN, CatalogUrlError, naming_the_database
from storage.catalog.json_types import Versioned
from storage.catalog.tables import Base

T = TypeVar("T")
PER_STATEMENT = 500
ROWS_PER_STATEMENT = 2000
"""Of one JSON document; some megabytes of shots."""
_LOOKS_LIKE = "it must look like postgresql+psycopg://user:password@host/database"


def make_engine(url: str, origin: str = "the settings") -> Engine:
    """An engine for ``postgresql+psycopg://user:password@host/database``.

    Lost connections are noticed and replaced. JSON is written with sorted keys, so that equal values are equal text.

    Args:
        origin: what says the URL, for messages: a variable or an Airflow connection.

    Raises:
        CatalogUrlError: not such a URL.
    """
    try:
        parsed = make_url(url)
        dialect = parsed.get_backend_name()
    except ArgumentError as error:
        raise CatalogUrlError(f"{origin}: the catalog's URL cannot be read ({error}); {_LOOKS_LIKE}") from error
    if dialect != "postgresql":
        raise CatalogUrlError(f"{origin}: the catalog's URL names {dialect!r}; {_LOOKS_LIKE}")
    return create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        json_serializer=_to_json,
        pool_pre_ping=True,
        execution_options={ORIGIN: origin},
        connect_args={"connect_timeout": 10, "options": "-c timezone=UTC"},
    )


def _to_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


class Database:
    """One database; threads may share it. ``with`` closes its connections at the end."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def at(cls, url: str, origin: str = "the settings") -> Self:
        """The catalog at a database URL; see :func:`make_engine`."""
        return cls(make_engine(url, origin))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.dispose()

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A transaction for the functions of this package: committed at the end, rolled back by an exception."""
        with naming_the_database(self.engine), Session(self.engine) as session, session.begin():
            yield session


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
        document = _as_json([{**row, "created_at": now, "updated_at": now} for row in chunk], columns)
        typed = (column(name, columns[name].type) for name in names)
        given = (
            func.json_to_recordset(cast(bindparam(None, document, Text), JSON))
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
    dump = {
        name: kind.to_json if isinstance(kind := columns[name].type, Versioned) else _to_document for name in rows[0]
    }
    lines = (",".join(f'"{name}":{dump[name](value)}' for name, value in row.items()) for row in rows)
    return "[" + ",".join(f"{{{line}}}" for line in lines) + "]"


_to_document = json.JSONEncoder(ensure_ascii=False, default=datetime.isoformat).encode


def in_parts(items: Collection[T], size: int = PER_STATEMENT) -> Iterator[list[T]]:
    """Parts that fit into one statement, whose number of parameters PostgreSQL limits."""
    everything = list(items)
    return (everything[start : start + size] for start in range(0, len(everything), size))
