"""Database engines for the catalog: PostgreSQL, and SQLite for one machine."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ArgumentError
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random_exponential

BUSY_SECONDS = 30


class CatalogUrlError(ValueError):
    """The catalog's URL cannot be used; says what one looks like."""


def make_engine(url: str) -> Engine:
    """An engine for ``postgresql+psycopg://user:password@host/database`` or ``sqlite:///file``.

    Lost connections are noticed and replaced. JSON is written with sorted keys, so that equal values are equal text.

    Raises:
        CatalogUrlError: not such a URL.
    """
    try:
        parsed = make_url(url)
        dialect = parsed.get_backend_name()
    except ArgumentError as error:
        raise CatalogUrlError(f"the catalog's URL cannot be read ({error}); {_LOOKS_LIKE}") from error
    if dialect == "postgresql":
        options: dict[str, Any] = {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}
        return create_engine(parsed.set(drivername="postgresql+psycopg"), json_serializer=_to_json, **options)
    if dialect != "sqlite":
        raise CatalogUrlError(f"the catalog's URL names {dialect!r}; {_LOOKS_LIKE}")
    engine = create_engine(parsed, json_serializer=_to_json, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


_LOOKS_LIKE = "it must look like postgresql+psycopg://user:password@host/database or sqlite:///file"


def _to_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # else the driver begins transactions itself, and too late to be IMMEDIATE
    _write_ahead(connection)
    for setting in ("synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {setting}")


@retry(
    retry=retry_if_exception_type(sqlite3.OperationalError),
    stop=stop_after_delay(BUSY_SECONDS),
    wait=wait_random_exponential(multiplier=0.02, max=1),
    reraise=True,
)
def _write_ahead(connection: Any) -> None:
    """Switch to a write-ahead log. SQLite does not wait for others by itself here, whatever the timeout says."""
    connection.execute("PRAGMA journal_mode=WAL")


def _begin_immediate(connection: Connection) -> None:
    # A transaction that begins as a reader and then writes fails at once when another one wrote meanwhile.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
