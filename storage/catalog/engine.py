"""The catalog's database: its engine, and transactions whose errors name it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session

from storage.catalog.errors import CatalogUrlError, naming_the_database

_LOOKS_LIKE = "it must look like postgresql+psycopg://user:password@host/database"


def make_engine(url: str) -> Engine:
    """An engine for ``postgresql+psycopg://user:password@host/database``.

    Lost connections are noticed and replaced. JSON is written with sorted keys, so that equal values are equal text.

    Raises:
        CatalogUrlError: not such a URL.
    """
    try:
        parsed = make_url(url)
        dialect = parsed.get_backend_name()
    except ArgumentError as error:
        raise CatalogUrlError(f"the catalog's URL cannot be read ({error}); {_LOOKS_LIKE}") from error
    if dialect != "postgresql":
        raise CatalogUrlError(f"the catalog's URL names {dialect!r}; {_LOOKS_LIKE}")
    return create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        json_serializer=_to_json,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 10, "options": "-c timezone=UTC"},
    )


def _to_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


class Database:
    """One database; threads may share it. ``with`` closes its connections at the end."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def at(cls, url: str) -> Self:
        """The catalog at a database URL; see :func:`make_engine`."""
        return cls(make_engine(url))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.dispose()

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A transaction for the functions of this package: committed at the end, rolled back by an exception."""
        with naming_the_database(self.engine), Session(self.engine) as session, session.begin():
            yield session
