"""Make ``.lookbook/venv`` with every package of ``requirements.lock``.

Runs under the system's Python before anything is installed, so: standard library only, and nothing of the project.

    python3 -m embedded.installation          install what is missing; done in an instant when nothing is
    python3 -m embedded.installation lock     resolve pyproject.toml's dependencies anew and write requirements.lock
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
LOCK = PROJECT / "requirements.lock"
OLDEST = (3, 11)

_LOCK_HEADER = """\
# Every package the project runs and tests with, pinned. Written by `make lock` from pyproject.toml; don't edit.
# torch: PyPI's Linux build brings CUDA (some 3 GB). Without a GPU, the small build is taken by
#   PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make setup
"""


class SetupError(Exception):
    """The set-up cannot go on; says what the person at the keyboard can do."""


def install(home: Path) -> bool:
    """Bring ``home/venv`` up to the lock file; false if it already was.

    A stamp with the digest of all that matters is written last. No stamp means an interrupted set-up, and the venv is
    made anew; another stamp means another lock file, and pip changes what differs.

    Raises:
        SetupError: Python is too old, has no ``venv``, or pip failed.
    """
    venv, stamp = home / "venv", home / "venv" / "installed"
    with _alone(home):
        wanted = _fingerprint(venv)
        works = _runs(venv)
        if works and stamp.exists() and stamp.read_text() == wanted:
            return False
        if not works or not stamp.exists():
            print(f"set-up: making {venv}", flush=True)
            _make_venv(venv)
        stamp.unlink(missing_ok=True)
        print(f"set-up: installing {LOCK.name} (some minutes the first time)", flush=True)
        _pip(venv, "install", "--quiet", "--progress-bar", "off", "-r", str(LOCK))
        _pip(venv, "check")
        stamp.write_text(wanted)
    return True


def lock() -> None:
    """Resolve the dependencies of ``pyproject.toml`` in a fresh venv and write what came of it to the lock file."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [each for group in project["optional-dependencies"].values() for each in group]
    with tempfile.TemporaryDirectory() as folder:
        venv = Path(folder) / "venv"
        _make_venv(venv)
        _pip(venv, "install", "--quiet", "--constraint", str(LOCK) if LOCK.exists() else "/dev/null", *wanted)
        _pip(venv, "check")
        frozen = subprocess.run([_python(venv), "-m", "pip", "freeze"], check=True, capture_output=True, text=True)
    pins = re.sub(r"\+cpu$", "", frozen.stdout, flags=re.MULTILINE)
    LOCK.write_text(_LOCK_HEADER + pins)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Two set-ups at once would tread on each other: the second waits."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    with (home / "setup.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _fingerprint(venv: Path) -> str:
    """Digest of the lock file, the Python and the place: a venv cannot be moved."""
    parts = (LOCK.read_bytes(), sys.version.encode(), os.fsencode(venv))
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _python(venv: Path) -> str:
    return str(venv / "bin" / "python")


def _runs(venv: Path) -> bool:
    try:
        return subprocess.run([_python(venv), "-m", "pip", "--version"], capture_output=True).returncode == 0
    except OSError:
        return False


def _make_venv(venv: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], capture_output=True, text=True)
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        raise SetupError(f"making {venv} failed (on Debian: apt install python3-venv):\n{said}")


def _pip(venv: Path, *arguments: str) -> None:
    command = [_python(venv), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    if subprocess.run(command).returncode:
        raise SetupError("pip failed, see above; what is already there is kept, so just run it again when mended")


def main(arguments: list[str]) -> int:
    """Entry point; the exit status."""
    if sys.version_info < OLDEST:
        print(f"set-up: Python {sys.version.split()[0]} is too old, 3.11 or newer is needed", file=sys.stderr)
        return 1
    try:
        if arguments == ["lock"]:
            lock()
        else:
            install(Path(os.environ.get("LOOKBOOK_HOME") or PROJECT / ".lookbook"))
    except SetupError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
