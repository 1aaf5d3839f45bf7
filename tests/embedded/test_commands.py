"""The ``lookbook`` command, as far as it needs no servers; with them it is tested in test_e2e."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from embedded.__main__ import OTHERS, main
from embedded.home import open_home


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a set-up could be; its variables are undone after the test."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setenv("LOOKBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LOOKBOOK_DATABASE_URL", raising=False)
    return tmp_path / "home"


def test_help_lists_the_commands_of_every_package(root: Path) -> None:
    said = CliRunner().invoke(main, ["--help"])
    assert said.exit_code == 0
    for name in ("import", "airflow", "open", "status", "catalog", *OTHERS):
        assert f"\n  {name} " in said.output
    assert CliRunner().invoke(main, ["bundle", "list", "bundles"]).exit_code == 0


@pytest.mark.parametrize("words", [["open"], ["import", "x"], ["airflow", "info"], ["catalog", "status"]])
def test_without_a_set_up_it_says_how_to_make_one_and_makes_nothing(root: Path, words: list[str]) -> None:
    said = CliRunner().invoke(main, words)
    assert said.exit_code == 1
    assert "run `make demo` first" in said.output
    assert not root.exists()


def test_it_finds_this_machines_servers_unless_the_variables_name_others(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = open_home(root)
    seen = []

    def storage(_: object, matte: object) -> int:
        seen.append((os.environ["LOOKBOOK_DATABASE_URL"], os.environ.get("LOOKBOOK_S3_ENDPOINT")))
        return 0

    monkeypatch.setattr("storage.__main__.main", storage)
    monkeypatch.setenv("LOOKBOOK_DATABASE_URL", "postgresql://elsewhere/catalog")
    CliRunner().invoke(main, ["catalog", "status"])
    monkeypatch.delenv("LOOKBOOK_DATABASE_URL")
    CliRunner().invoke(main, ["catalog", "status"])
    assert seen == [("postgresql://elsewhere/catalog", None), (home.database_url, home.s3.endpoint)]


def test_airflow_runs_in_the_set_ups_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = open_home(root)
    started = []
    monkeypatch.setattr(os, "execvpe", lambda *arguments: started.append(arguments))
    assert CliRunner().invoke(main, ["airflow", "dags", "list", "--output", "json"]).exit_code == 0
    ((_, words, environment),) = started
    assert words[1:] == ["-m", "airflow", "dags", "list", "--output", "json"]
    assert environment["AIRFLOW_HOME"] == str(root / "airflow")
    assert home.credentials.airflow_database in environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
