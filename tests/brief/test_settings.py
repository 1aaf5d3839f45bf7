"""Variables of the environment: what is wrong is said by the name of what must be changed."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from brief.errors import SettingsError
from brief.settings import CONNECTIONS, PREFIX, Settings
from embedded.parts import INHERITED

ROOT = Path(__file__).parents[2]
READS = re.compile(r"os\.(environ(\.get)?|getenv)[\[(]")


def test_every_wrong_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOKBOOK_SERVICE_BATCH", "0")
    monkeypatch.setenv("LOOKBOOK_GPU_HOUR_PRICE", "2,50")
    with pytest.raises(SettingsError, match=r"GPU_HOUR_PRICE is '2,50': .*; LOOKBOOK_SERVICE_BATCH is '0': .* 1; "):
        Settings.read()


def test_what_is_missing_is_said_with_its_meaning_and_both_ways_to_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOKBOOK_S3_BUCKET", "")
    said = r"LOOKBOOK_S3_BUCKET is not set: the bucket .*Set this variable, or make Airflow's connection lookbook_s3"
    with pytest.raises(SettingsError, match=said):
        Settings.read().needed("s3_bucket")


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = [name for name in Settings.model_fields if name.endswith(("secret", "secret_key", "token"))]
    for name in secrets:
        monkeypatch.setenv(PREFIX + name.upper(), "hidden-value")
    assert len(secrets) >= len(CONNECTIONS)
    assert "hidden-value" not in repr(Settings.read())


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_nothing_else_reads_our_variables() -> None:
    """The installer apart, which runs before pydantic is there."""
    packages = ("generation", "storage", "service", "pipeline", "dags", "plugins", "embedded", "training")
    files = [file for package in packages for file in sorted((ROOT / package).rglob("*.py"))]
    read = {
        f"{file.relative_to(ROOT)}: {ast.unparse(node)}"
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call | ast.Subscript)
        and re.match(r"os\.(environ(\.get)?|getenv)[\[(]", ast.unparse(node))
    }
    names = {each for each in read if f"'{PREFIX}" in each}
    assert {each.partition(":")[0] for each in names} == {"embedded/installation.py"}
    others = "os.environ.get('PATH', os.defpath)", "os.environ[name]"
    assert {each for each in read - names if not each.endswith(others)} == set()
    assert not any(name.startswith(PREFIX) for name in INHERITED)
