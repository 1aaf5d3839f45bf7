"""The wheel holds every package and all files that they read."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("brief", "generation", "storage", "service", "pipeline", "embedded", "training")


def test_the_wheel_holds_every_module_and_migration(tmp_path: Path) -> None:
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.suffix in {".py", ".json"}]
    made_here = {"data", "runs"}  # of a training run, ignored by git
    relative = [path.relative_to(ROOT) for path in found]
    files = {path.as_posix() for path in relative if made_here.isdisjoint(path.parts)}
    assert "storage/migrations/versions/0001_first_tables.py" in files
    copy = tmp_path / "source"
    for name in (*files, "pyproject.toml", "README.md"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*build, str(tmp_path), str(copy)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert files <= set(zipfile.ZipFile(wheel).namelist())
