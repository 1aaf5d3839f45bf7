"""Who may import whom: one line a package, no exception a file."""

from __future__ import annotations

import ast
import builtins
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"torch", "diffusers", "transformers", "numba"}
OUTSIDE = HEAVY | {"airflow", "alembic", "boto3", "fastapi", "httpx", "numpy", "PIL", "pydantic", "rich", "sqlalchemy"}


MAY_IMPORT = {
    "brief": set(),
    "generation": {"brief"},
    "storage": {"brief"},
    "service": {"brief", "generation", "storage"},
    "pipeline": {"brief", "generation", "storage", "service"},
    "dags": {"brief", "storage", "service", "pipeline"},
    "plugins": {"brief", "storage", "pipeline"},
    "embedded": {"brief", "storage", "service", "pipeline"},
    "training": {"brief", "generation"},
}
"""Our packages, and which others each may import. No file is excepted."""

NEVER_IN_SOURCE = {
    "brief": OUTSIDE - {"PIL", "pydantic"},
    "generation": {"airflow", "alembic", "boto3", "fastapi", "httpx", "sqlalchemy"},
    "storage": HEAVY | {"airflow", "fastapi"},
    "service": {"airflow", "alembic", "diffusers", "numba", "sqlalchemy", "transformers"},
    "pipeline": HEAVY | {"airflow", "alembic", "boto3", "fastapi"},
    "dags": HEAVY,
    "plugins": HEAVY,
    "embedded": HEAVY,
    "training": {"airflow", "boto3", "sqlalchemy"},
}
"""What no file of a package may import, not even inside a function."""

NEVER_AT_IMPORT = {
    "brief": HEAVY | {"airflow", "boto3", "fastapi", "httpx", "sqlalchemy"},
    "storage": HEAVY | {"airflow"},
    "service.app": HEAVY,
    "service.client": HEAVY | {"airflow", "boto3", "sqlalchemy"},
    "pipeline": HEAVY | {"airflow"},
    "embedded": HEAVY | {"airflow"},
}
"""A package or module, and what importing all of it may not load, by whatever detour."""


def modules(name: str) -> list[str]:
    """Full names of a package's modules, migrations apart, which only Alembic can import; of a module, itself."""
    files = sorted((ROOT / name).rglob("*.py"))
    found = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files if "migrations" not in file.parts]
    return [each.removesuffix(".__init__") for each in found if not each.endswith(".__main__")] or [name]


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


@pytest.mark.parametrize("name", NEVER_AT_IMPORT)
def test_importing_loads_nothing_forbidden(name: str) -> None:
    script = "import importlib, sys; [importlib.import_module(n) for n in sys.argv[1:]]; print(*sys.modules)"
    command = [sys.executable, "-c", script, *modules(name)]
    loaded = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    assert NEVER_AT_IMPORT[name].isdisjoint(each.partition(".")[0] for each in loaded)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    ours = set(MAY_IMPORT) | {"tests", "benchmarks"}
    forbidden = NEVER_IN_SOURCE[package] | (ours - MAY_IMPORT[package] - {package})
    wrong = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in sources(package)
        for name in imported(file)
        if name.partition(".")[0] in forbidden
    }
    assert wrong == set()


def test_packages_stand_on_floors_without_circles() -> None:
    graphlib.TopologicalSorter(MAY_IMPORT).prepare()


def test_no_module_imports_in_a_circle() -> None:
    names = {name for package in MAY_IMPORT for name in modules(package)}
    graph = {
        name: {each for found in imported(_file(name)) for each in (found, found.rpartition(".")[0]) if each in names}
        - {name}
        for name in names
    }
    graphlib.TopologicalSorter(graph).prepare()


def test_every_public_exception_stands_in_the_tree() -> None:
    """Callers catch by the bases of brief/errors.py; installing runs before anything of ours can be imported."""
    outside = {
        f"{file.relative_to(ROOT)}: {node.name}"
        for package in MAY_IMPORT
        for file in sources(package)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.bases
        if all(getattr(vars(builtins).get(ast.unparse(base)), "__mro__", None) for base in node.bases)
        if issubclass(vars(builtins)[ast.unparse(node.bases[0])], BaseException)
    }
    assert outside == {"brief/errors.py: LookbookError", "embedded/installation.py: SetupError"}


def _file(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_no_file_that_airflow_loads_by_its_bare_name_hides_a_package() -> None:
    names = {file.stem for folder in ("dags", "plugins") for file in (ROOT / folder).glob("*.py")}
    packages = {folder.name for folder in ROOT.iterdir() if (folder / "__init__.py").exists()}
    assert names.isdisjoint(packages | set(sys.stdlib_module_names) | OUTSIDE)
