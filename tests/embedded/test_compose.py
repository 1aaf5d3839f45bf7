"""docker-compose.yml says the same as the embedded set-up, which is the one that runs in tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedded.airflow_settings import airflow_environment
from embedded.home import PROJECT, open_home
from embedded.parts import lookbook_environment

TEXT = (PROJECT / "docker-compose.yml").read_text()


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load(TEXT)


def test_our_programs_find_the_same_variables(compose: Any, tmp_path: Path) -> None:
    assert set(compose["x-lookbook"]) == set(lookbook_environment(open_home(tmp_path)))


def test_airflow_gets_every_secret_it_has_here(compose: Any, tmp_path: Path) -> None:
    here = airflow_environment(open_home(tmp_path))
    secrets = {name for name in here if re.search("SECRET|FERNET|SQL_ALCHEMY_CONN|EXECUTION_API_SERVER", name)}
    assert secrets <= set(compose["x-airflow"]["environment"])


def test_secrets_have_no_defaults_and_stand_in_the_example() -> None:
    named = set(re.findall(r"\$\{(\w+):\?\}", TEXT))
    assert named == set(re.findall(r"^(\w+)=$", (PROJECT / ".env.example").read_text(), re.MULTILINE))
    assert not [name for name in re.findall(r"\$\{(\w+):-", TEXT) if re.search("KEY|SECRET|PASSWORD|TOKEN", name)]


def test_only_airflows_page_is_published_and_only_here(compose: Any) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published == {"airflow-apiserver": ["${AIRFLOW_BIND:-127.0.0.1:8080}:8080"]}
