"""The catalog's database: its engine, transactions whose errors name it, and many rows inserted or updated in one
statement, so that two runs at the same time cannot collide."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

import psycopg
from psycopg.types.array import ListBinaryDumper
from sqlalchemy import (
    ColumnElement,
    Engine,
    Select,
    Text,
    bindparam,
    cast,
    column,
    create_engine,
    event,
    func,
    inspect,
    literal,
    make_url,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.types import NULLTYPE

from storage.catalog.errors import ORIGIN, CatalogUrlError, naming_the_database
from storage.catalog.json_types import Versioned
from storage.catalog.tables import Base

T = TypeVar("T")
PER_STATEMENT = 500
ROWS_PER_STATEMENT = 2000
"""Some megabytes of shots."""
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
    engine = create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        json_serializer=_to_json,
        pool_pre_ping=True,
        execution_options={ORIGIN: origin},
        connect_args={"connect_timeout": 10, "options": "-c timezone=UTC"},
    )
    event.listen(engine, "connect", _send_arrays_as_binary)
    return engine


def _send_arrays_as_binary(connection: psycopg.Connection[Any], _record: object) -> None:
    connection.adapters.register_dumper(_Binary, ListBinaryDumper)


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
        names = list(chunk[0])
        given = _given(chunk, columns)
        statement = insert(table).from_select(
            [*names, "created_at", "updated_at"], given.add_columns(literal(now), literal(now))
        )
        moving = [name for name in names if name != key and name not in keep]
        upserting = statement.on_conflict_do_update(
            index_elements=[key],
            set_={name: statement.excluded[name] for name in (*moving, "updated_at")},
            where=or_(*(columns[name].is_distinct_from(statement.excluded[name]) for name in moving)),
        ).returning(columns[key], columns["created_at"] == now)
        for name, is_new in session.execute(upserting):
            (inserted if is_new else updated).append(name)
    return Upserted(tuple(inserted), tuple(updated))


class _Binary(list[Any]):
    """Sent in PostgreSQL's binary format: as text each value would be quoted, and parsed again."""


def array_of(values: Iterable[Any], kind: Any) -> ColumnElement[Any]:
    """Values of a type as one parameter, of which there may be thousands."""
    return cast(bindparam(None, _Binary(values), NULLTYPE), ARRAY(kind))


def _given(rows: Sequence[Mapping[str, Any]], columns: ReadOnlyColumnCollection[str, Any]) -> Select[Any]:
    """Rows as one array a column: a parameter for each value of each row takes twenty times as long to put together,
    and one JSON document of all is parsed twice where it holds JSON."""
    arrays: list[ColumnElement[Any]] = []
    shown: list[ColumnElement[Any]] = []
    for name in rows[0]:
        kind = columns[name].type
        if isinstance(kind, Versioned):
            arrays.append(array_of((kind.to_json(row[name]) for row in rows), Text))
            shown.append(cast(column(name), JSONB))
        else:
            arrays.append(array_of((row[name] for row in rows), kind))
            shown.append(column(name))
    given = func.unnest(*arrays).table_valued(*rows[0], name="given").render_derived()
    return select(*shown).select_from(given)


def in_parts(items: Collection[T], size: int = PER_STATEMENT) -> Iterator[list[T]]:
    """Parts that fit into one statement, whose number of parameters PostgreSQL limits."""
    everything = list(items)
    return (everything[start : start + size] for start in range(0, len(everything), size))
