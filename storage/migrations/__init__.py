"""The catalog's schema over time, by Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from storage.catalog.errors import naming_the_database

LOCK = 0x10_0CB_00C
"""PostgreSQL advisory lock that is held while migrating, so that two starts at once do not collide."""


def migrate(engine: Engine, revision: str = "head") -> None:
    """Upgrade the schema to ``revision``; does nothing where it is there already. Safe to call at the same time.

    Raises:
        CatalogUnreachable: the database does not answer.
    """
    with naming_the_database(engine), engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        command.upgrade(migration_config(connection), revision)


def schema_revision(engine: Engine) -> str | None:
    """The revision that the database is at; ``None`` where no migration ran yet."""
    with naming_the_database(engine), engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def latest_revision() -> str | None:
    """The newest revision that this version of Lookbook knows."""
    return ScriptDirectory.from_config(migration_config()).get_current_head()


def migration_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, for a command that runs on ``connection``."""
    config = Config()
    config.attributes["connection"] = connection
    # Alembic's options treat % as the start of a variable, and a folder's name may hold one.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
