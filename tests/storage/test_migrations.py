"""The schema: what the migrations make is what the code expects."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, text

from brief.types import Finding, ImageRef, Measurements, Publication, Reason, Scorecard, Verdict
from storage.catalog.catalog import Catalog
from storage.catalog.database import make_engine
from storage.catalog.errors import CatalogUnreachable, CatalogUrlError, SchemaMissing
from storage.catalog.runs import RunKey
from storage.catalog.tables import Base, Decision
from storage.migrations import latest_revision, migrate, migration_config, schema_revision

OLD_ROWS = Path(__file__).with_name("catalog_at_0001.sql")


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


def test_two_that_migrate_at_once_both_succeed(postgres_url: str) -> None:
    engines = [make_engine(postgres_url) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(migrate, engines))
    assert schema_revision(engines[0]) == latest_revision()
    for engine in engines:
        engine.dispose()


def test_a_database_without_tables_says_what_to_run(postgres_url: str) -> None:
    catalog = Catalog.at(postgres_url)
    with pytest.raises(SchemaMissing, match="python -m storage migrate"):
        catalog.products()
    catalog.engine.dispose()


def test_a_database_that_is_gone_is_named_without_its_password() -> None:
    catalog = Catalog.at("postgresql+psycopg://lookbook:hidden@127.0.0.1:1/catalog", "Airflow's connection main")
    said = r"127\.0\.0\.1:1/catalog does not answer .*: Airflow's connection main says where it is"
    with pytest.raises(CatalogUnreachable, match=said) as error:
        catalog.products()
    assert "hidden" not in str(error.value)


@pytest.mark.parametrize("url", ["", "catalog.db", "mysql://user@host/catalog", "sqlite:///catalog.db"])
def test_an_url_that_cannot_work_is_refused(url: str) -> None:
    with pytest.raises(CatalogUrlError, match="must look like postgresql"):
        make_engine(url)


def _filled_by_the_version_before(engine: Engine) -> None:
    """A catalog at revision 0001: a published shot, one that was rejected, one that a person approved."""
    migrate(engine, "0001")
    with engine.begin() as connection:
        connection.exec_driver_sql(OLD_ROWS.read_text(encoding="utf-8"))


def test_a_catalog_of_the_version_before_keeps_all_it_has(postgres_url: str) -> None:
    catalog = Catalog.at(postgres_url)
    _filled_by_the_version_before(catalog.engine)
    migrate(catalog.engine)
    assert catalog.products()["MUG-1"].attributes == {"colour": "red"}
    assert catalog.personas()["ana"].face.hair_colour == "red"
    assert catalog.campaigns()[0].environments == ("beach",)
    published = catalog.history("1" * 32)
    assert published.record.publication == Publication(
        "1" * 32, "a" * 32, ImageRef("published/master.png", "11"), {"web": ImageRef("web.webp", "22")},
        ImageRef("published/manifest.json", "33"),
    )  # fmt: skip
    assert published.record.run == RunKey("", "run-1")
    (take,) = published.takes
    assert (take.composed, take.refined) == (ImageRef("c.png", "44"), ImageRef("r.png", "55"))
    assert take.seconds == {"compose": 2.5, "refine": 1.5, "score": 0.5}
    assert take.scorecard == Scorecard(
        Measurements({"product": 0.75}), Verdict.ACCEPT, (Finding(Reason.EARLIER, why="fine"),)
    )
    assert take.outputs["score"].ref.key == f"takes/{'1' * 32}/{'a' * 32}/scorecard.json"
    (turned_down,) = catalog.takes(["2" * 32])["2" * 32]
    assert (turned_down.decision, turned_down.take.changes) == (Decision.REJECT, {"steps": 20.0})
    (approved,) = catalog.approved_unpublished()
    assert (approved.decided_by, approved.reasons) == ("ana", ("dark", "soft"))
    assert catalog.portraits() == {"ana": ImageRef(f"portraits/{'9' * 32}.png", "")}
    catalog.engine.dispose()


def test_going_back_keeps_it_too(postgres_url: str) -> None:
    engine = make_engine(postgres_url)
    _filled_by_the_version_before(engine)
    with engine.connect() as connection:
        before = _everything(connection)
    migrate(engine)
    with engine.begin() as connection:
        command.downgrade(migration_config(connection), "0001")
        assert _everything(connection) == before
    engine.dispose()


def test_sentences_of_revision_0003_become_findings_and_sentences_again(postgres_url: str) -> None:
    catalog = Catalog.at(postgres_url)
    _filled_by_the_version_before(catalog.engine)
    migrate(catalog.engine, "0003")
    reasons = [
        "product 0.41 is below 0.60: the packshot's colours and shape are not met",
        "prompt is unavailable: no words",
    ]
    card = {"values": {"product": 0.4123}, "verdict": "retake", "reasons": reasons, "low": ["product"]}
    _write_scorecard(catalog.engine, {**card, "unavailable": {"prompt": "no words"}})
    migrate(catalog.engine)
    (take,) = catalog.takes(["1" * 32])["1" * 32]
    findings = (Finding(Reason.LOW, "product", 0.4123, 0.6), Finding(Reason.UNAVAILABLE, "prompt", why="no words"))
    measured = Measurements({"product": 0.4123}, {"prompt": "no words"})
    assert take.scorecard == Scorecard(measured, Verdict.RETAKE, findings)
    catalog.record_scorecard(take.take.key, replace(take.scorecard, verdict=Verdict.REVIEW))
    with catalog.engine.begin() as connection:
        command.downgrade(migration_config(connection), "0003")
        stored = connection.execute(text("SELECT scorecard FROM take WHERE number = 1 AND key LIKE 'a%'")).scalar_one()
    assert stored["version"] == 1
    assert stored["value"]["values"] == {"product": 0.4123}
    assert stored["value"]["reasons"] == ["product low", "prompt unavailable no words"]
    catalog.engine.dispose()


def _write_scorecard(engine: Engine, card: dict[str, object]) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE take SET scorecard = CAST(:card AS jsonb) WHERE key LIKE 'a%'"),
            {"card": json.dumps({"version": 1, "value": card})},
        )


def _everything(connection: Connection) -> dict[str, list[str]]:
    tables = ("product", "environment", "persona", "campaign", "shot", "take", "asset", "review")
    rows = {
        table: connection.execute(text(f"SELECT to_jsonb({table}) FROM {table}")).scalars().all()  # noqa: S608
        for table in tables
    }
    assert all(rows.values())
    return {table: sorted(json.dumps(row, sort_keys=True) for row in found) for table, found in rows.items()}
