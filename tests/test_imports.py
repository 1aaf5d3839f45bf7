"""Who may import whom. Each row is tried in a process of its own; what it loads may not hold what is forbidden."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"torch", "diffusers", "transformers", "numba"}
OUTSIDE = HEAVY | {"airflow", "alembic", "boto3", "fastapi", "httpx", "numpy", "PIL", "pydantic", "rich", "sqlalchemy"}


def modules(package: str) -> list[str]:
    """Full names of a package's modules."""
    return [f"{package}.{file.stem}" for file in sorted((ROOT / package).glob("*.py"))]


DOMAIN = ("brief", "face_spec", "plan", "prompts", "recipe")

FORBIDDEN_AT_IMPORT = {
    "generation's domain": ([f"generation.{name}" for name in DOMAIN], OUTSIDE),
    "generation.image_file": (["generation.image_file"], OUTSIDE - {"PIL"}),
    "generation.client": (["generation.client"], HEAVY | {"airflow", "boto3", "sqlalchemy"}),
    "storage": (modules("storage"), HEAVY | {"airflow"}),
    "embedded": (modules("embedded"), HEAVY | {"airflow"}),
}
"""Modules, and what importing all of them may not load."""

FORBIDDEN_IN_SOURCE = {
    "generation": {"airflow", "alembic", "embedded", "sqlalchemy", "training"},
    "storage": HEAVY | {"airflow", "embedded", "plugins", "training"},
    "plugins": HEAVY | {"embedded", "training"},
    "dags": HEAVY | {"embedded", "training"},
    "embedded": HEAVY | {"training"},
    "training": {"airflow", "sqlalchemy", "storage"},
}
"""Folder and what none of its files may import anywhere, not even inside a function."""

STORAGE_FOR_GENERATION = {"storage.object_errors", "storage.object_keys", "storage.object_settings", "storage.objects"}


def imported(file: Path) -> set[str]:
    """Full names of all modules that a file imports, at whatever level of nesting."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("group", FORBIDDEN_AT_IMPORT)
def test_importing_loads_nothing_forbidden(group: str) -> None:
    names, forbidden = FORBIDDEN_AT_IMPORT[group]
    script = "import importlib, sys; [importlib.import_module(n) for n in sys.argv[1:]]; print(*sys.modules)"
    command = [sys.executable, "-c", script, *names]
    loaded = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    assert forbidden.isdisjoint(name.partition(".")[0] for name in loaded)


@pytest.mark.parametrize("folder", FORBIDDEN_IN_SOURCE)
def test_a_folder_imports_nothing_forbidden(folder: str) -> None:
    wrong = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in sources(folder)
        for name in imported(file)
        if name.partition(".")[0] in FORBIDDEN_IN_SOURCE[folder]
    }
    assert wrong == set()


def test_only_the_service_stands_between_generation_and_the_bucket() -> None:
    for file in sources("generation"):
        reached = {name for name in imported(file) if name.partition(".")[0] in ("storage", "boto3", "botocore")}
        if "service" in file.relative_to(ROOT / "generation").parts[0]:
            reached = {name for name in reached if not any(name.startswith(each) for each in STORAGE_FOR_GENERATION)}
        assert reached == set(), file


def test_no_file_that_airflow_loads_by_its_bare_name_hides_a_package() -> None:
    names = {file.stem for folder in ("dags", "plugins") for file in (ROOT / folder).glob("*.py")}
    packages = {folder.name for folder in ROOT.iterdir() if (folder / "__init__.py").exists()}
    assert names.isdisjoint(packages | set(sys.stdlib_module_names) | OUTSIDE)
