"""The schema: what the migrations make is what the code expects, on both databases."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from storage.catalog.catalog import Catalog
from storage.catalog.engine import CatalogUrlError, make_engine
from storage.catalog.errors import CatalogUnreachable, SchemaMissing
from storage.catalog.migrate import latest_revision, migrate, migration_config, schema_revision
from storage.catalog.tables import Base


def test_migrations_make_the_tables_that_the_code_expects(catalog: Catalog) -> None:
    with catalog.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    assert schema_revision(catalog.engine) == latest_revision()


def test_every_migration_can_be_undone(catalog: Catalog) -> None:
    with catalog.engine.begin() as connection:
        command.downgrade(migration_config(connection), "base")
    assert schema_revision(catalog.engine) is None
    migrate(catalog.engine)
    assert catalog.products() == {}


def test_two_that_migrate_at_once_both_succeed(database_url: str) -> None:
    engines = [make_engine(database_url) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(migrate, engines))
    assert schema_revision(engines[0]) == latest_revision()
    for engine in engines:
        engine.dispose()


def test_a_new_sqlite_file_that_another_writes_to_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "catalog.sqlite"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE elsewhere (number INTEGER)")
    engine = make_engine(f"sqlite:///{file}")
    threading.Timer(0.3, other.commit).start()
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    engine.dispose()
    other.close()


def test_a_database_without_tables_says_what_to_run(database_url: str) -> None:
    catalog = Catalog.at(database_url)
    with pytest.raises(SchemaMissing, match="python -m storage migrate"):
        catalog.products()
    catalog.engine.dispose()


def test_a_database_that_is_gone_is_named_without_its_password() -> None:
    catalog = Catalog.at("postgresql+psycopg://lookbook:hidden@127.0.0.1:1/catalog")
    with pytest.raises(CatalogUnreachable, match=r"127\.0\.0\.1:1/catalog does not answer") as error:
        catalog.products()
    assert "hidden" not in str(error.value)


@pytest.mark.parametrize("url", ["", "catalog.db", "mysql://user@host/catalog"])
def test_an_url_that_cannot_work_is_refused(url: str) -> None:
    with pytest.raises(CatalogUrlError, match="must look like postgresql"):
        make_engine(url)
