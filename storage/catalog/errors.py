"""What can go wrong with the catalog, said so that the person who must act knows what to do.

::

    CatalogError
    ├── CatalogUrlError      the URL of the database cannot be used
    ├── CatalogUnreachable   the database does not answer
    ├── SchemaMissing        it was not migrated
    ├── RowMissing           no row of that name or key
    ├── RowUnreadable        a row of another version, or damaged
    └── AlreadyDecided       a review was answered before
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError

from brief.errors import StorageError

ORIGIN = "lookbook_origin"
"""An engine's execution option: what says its URL."""


class CatalogError(StorageError):
    """Something about the catalog; the message says which row or database and what to do."""


class CatalogUrlError(CatalogError):
    """The catalog's URL cannot be used; says what one looks like."""


class CatalogUnreachable(CatalogError):
    """The database does not answer."""


class CatalogRefused(CatalogError):
    """The database answers, and refuses a value: too long for an index, not storable as text, a broken reference."""


class SchemaMissing(CatalogError):
    """The database has no tables, or those of another version."""


class RowMissing(CatalogError):
    """There is no row of that name or key."""


class RowUnreadable(CatalogError):
    """A row that a newer Lookbook wrote, or that is damaged."""


class AlreadyDecided(CatalogError):
    """A review was answered before; says by whom."""


class AnswerTakenBack(CatalogError):
    """What a person approved is to be published, and is not approved any more."""


@contextmanager
def naming_the_database(engine: Engine) -> Iterator[None]:
    """Turn the driver's errors into ones that name the database (without its password) and a remedy."""
    try:
        yield
    except DBAPIError as error:
        where = engine.url.render_as_string(hide_password=True)
        detail = str(error.orig).strip().partition("\n")[0]
        if isinstance(error, ProgrammingError) and getattr(error.orig, "sqlstate", None) in {"42P01", "42703"}:
            raise SchemaMissing(
                f"{where} has no up-to-date schema ({detail}); run: python -m storage migrate"
            ) from error
        if error.connection_invalidated or _is_unreachable(error):
            raise CatalogUnreachable(
                f"the catalog's database {where} does not answer ({detail}); check that it runs, that this machine "
                f"reaches it, and its user and password: {engine.get_execution_options().get(ORIGIN)} says where it is"
            ) from error
        raise CatalogRefused(f"the catalog's database refuses this: {detail}; correct the row") from error


_NOT_REACHED = ("08", "28", "53", "57", "58")
"""Classes of SQLSTATE: connection, authorisation, resources, operator's intervention, the server's system."""


def _is_unreachable(error: DBAPIError) -> bool:
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    return state is None or state.startswith(_NOT_REACHED)
