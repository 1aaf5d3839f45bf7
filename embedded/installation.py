"""Make ``.lookbook/venv`` with every package of the lock files, each checked against its hash.

Runs under the system's Python before anything is installed, so: standard library only, and nothing of the project.

    python3 -m embedded.installation          install what is missing; done in an instant when nothing is
    python3 -m embedded.installation lock     resolve pyproject.toml's dependencies again and write the lock files

``requirements.lock`` holds all but torch, which comes in two builds: ``requirements-cpu.lock`` is PyTorch's own small
one, ``requirements-cuda.lock`` PyPI's with CUDA. ``requirements-cluster.lock`` is what Airflow on several machines
needs besides.
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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
LOCK = PROJECT / "requirements.lock"
TORCH_LOCKS = {"cpu": PROJECT / "requirements-cpu.lock", "cuda": PROJECT / "requirements-cuda.lock"}
CLUSTER_LOCK = PROJECT / "requirements-cluster.lock"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
OLDEST = (3, 11)

_HEADER = "# Written by `make lock` from pyproject.toml; don't edit. A package a line, with hashes of its files.\n"
_ONLY_CUDA = re.compile(r"(torch|triton|nvidia-[\w-]+|cuda-[\w-]+)==")
_LEFT_OUT = "The package `spandrel` requires `torchvision`, but it's not installed"
"""On purpose (``[tool.uv]`` in pyproject.toml): two of spandrel's nets need it, which enlarge nothing; and where it is,
transformers prepares pictures otherwise."""
_FROM_PIP = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"}
"""Settings of pip's that say where packages are, and uv's variables for them."""


class SetupError(Exception):
    """The set-up cannot go on; says what the person at the keyboard can do."""


def install(home: Path) -> bool:
    """Bring ``home/venv`` up to the lock files; false if it already was.

    A stamp with the digest of all that matters is written last. No stamp means an interrupted set-up, and the venv is
    made again; another stamp means other lock files, and what differs is changed.

    Raises:
        SetupError: Python is too old, has no ``venv``, or a package cannot be had or is not the one that was locked.
    """
    venv, stamp = home / "venv", home / "venv" / "installed"
    with _alone(home):
        torch = TORCH_LOCKS[_torch_build()]
        wanted = _fingerprint(venv, torch)
        works = _runs(venv)
        if works and stamp.exists() and stamp.read_text() == wanted:
            return False
        if not works or not stamp.exists():
            print(f"set-up: making {venv}", flush=True)
            _make_venv(venv)
        stamp.unlink(missing_ok=True)
        print(f"set-up: installing {LOCK.name} and {torch.name} (some minutes the first time)", flush=True)
        _install_packages(venv, torch)
        stamp.write_text(wanted)
    return True


def lock(home: Path) -> None:
    """Resolve the dependencies of ``pyproject.toml`` again and write the lock files; versions that still fit stay.

    Raises:
        SetupError: nothing is installed yet, the dependencies contradict each other, or an index cannot be reached.
    """
    venv = home / "venv"
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    known = "".join(path.read_text() for path in (LOCK, CLUSTER_LOCK, TORCH_LOCKS["cuda"]) if path.exists())
    everything = _resolve(venv, PROJECT / "pyproject.toml", known, list(extras))
    here = _resolve(venv, PROJECT / "pyproject.toml", "\n".join(everything.values()), [*extras.keys() - {"cluster"}])
    cuda = {name for name, line in everything.items() if _ONLY_CUDA.match(line)}
    _write(LOCK, [everything[name] for name in here if name not in cuda])
    _write(TORCH_LOCKS["cuda"], [everything[name] for name in everything if name in cuda])
    _write(CLUSTER_LOCK, [line for name, line in everything.items() if name not in here])
    _lock_cpu_torch(venv, everything["torch"].split()[0] + "+cpu")


def _lock_cpu_torch(venv: Path, pin: str) -> None:
    """PyPI does not have this build, and its index is asked only when the version has changed."""
    path = TORCH_LOCKS["cpu"]
    if path.exists() and f"\n{pin} " in path.read_text():
        return
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "torch.in"
        wanted.write_text(pin)
        _write(path, list(_resolve(venv, wanted, "", [], "--no-deps", "--default-index", CPU_INDEX).values()))


def _resolve(venv: Path, source: Path, known: str, extras: list[str], *options: str) -> dict[str, str]:
    """Lines of a lock file by package, for every Python from :data:`OLDEST` on; ``known`` are preferred versions."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "lock.txt"
        result.write_text(known)
        chosen = [word for extra in sorted(extras) for word in ("--extra", extra)]
        form = ["--quiet", "--generate-hashes", "--no-annotate", "--no-header", "-o", str(result)]
        pythons = ["--universal", "--python-version", ".".join(map(str, OLDEST))]
        _uv(venv, "pip", "compile", str(source), *chosen, *pythons, *form, *options)
        lines = re.sub(r" *\\\n +", " ", result.read_text()).splitlines()
    return {line.partition("==")[0]: line for line in lines if "==" in line}


def _write(path: Path, lines: list[str]) -> None:
    path.write_text(_HEADER + "".join(f"{line}\n" for line in lines))


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Two set-ups at once would tread on each other: the second waits."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    with (home / "setup.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _torch_build() -> str:
    """``LOOKBOOK_TORCH``, else ``cuda`` where NVIDIA's driver is, else ``cpu``, which saves some gigabytes."""
    wanted = os.environ.get("LOOKBOOK_TORCH") or ("cuda" if Path("/proc/driver/nvidia/version").exists() else "cpu")
    if wanted not in TORCH_LOCKS:
        raise SetupError(f"LOOKBOOK_TORCH is {wanted!r}; say one of {', '.join(TORCH_LOCKS)}, or leave it out")
    return wanted


def _fingerprint(venv: Path, torch: Path) -> str:
    """Digest of the lock files, the project's commands, the Python and the place: a venv cannot be moved."""
    files = (LOCK, torch, PROJECT / "pyproject.toml")
    parts = (*(path.read_bytes() for path in files), sys.version.encode(), os.fsencode(venv))
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _install_packages(venv: Path, torch: Path) -> None:
    """pip fetches uv and torch, whose place the user's own configuration of pip may name; uv installs all at once."""
    with tempfile.TemporaryDirectory() as folder:
        uv_only = Path(folder) / "uv.lock"
        uv_only.write_text("".join(line + "\n" for line in LOCK.read_text().splitlines() if line.startswith("uv==")))
        _pip(venv, "install", "--no-deps", "--require-hashes", "--requirement", str(uv_only))
        wheels = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--dest", folder]
        if torch is TORCH_LOCKS["cpu"]:
            wheels += ["--extra-index-url", CPU_INDEX, "--retries", "1"]
            _pip(venv, "download", *wheels, "--requirement", str(torch))
        locks = ["--requirement", str(LOCK), "--requirement", str(torch)]
        checked = ["--quiet", "--no-deps", "--require-hashes", "--compile-bytecode"]
        _uv(venv, "pip", "install", *checked, *locks, wheels=folder)
    # The command `lookbook`, and the version that manifests name; the code stays where it is.
    _uv(venv, "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(PROJECT))
    _check(venv)


def _check(venv: Path) -> None:
    """See that every package has what it needs, but for what is left out on purpose."""
    command = [str(venv / "bin" / "uv"), "pip", "check", "--python", str(venv / "bin" / "python")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "VIRTUAL_ENV": str(venv)})
    wrong = [line for line in done.stderr.splitlines() if line.startswith("The package ") and line != _LEFT_OUT]
    if wrong or (done.returncode and _LEFT_OUT not in done.stderr):
        raise SetupError("\n".join(["packages do not fit together:", *(wrong or [done.stderr.strip()])]))


def _runs(venv: Path) -> bool:
    try:
        return subprocess.run([venv / "bin" / "python", "-m", "pip", "--version"], capture_output=True).returncode == 0
    except OSError:
        return False


def _make_venv(venv: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], capture_output=True, text=True)
    if done.returncode:
        output = (done.stdout + done.stderr).strip()
        raise SetupError(f"making {venv} failed (on Debian: apt install python3-venv):\n{output}")


def _pip(venv: Path, *arguments: str) -> None:
    quiet = ["--disable-pip-version-check", "--no-input", "--quiet", "--progress-bar", "off"]
    _finished([str(venv / "bin" / "python"), "-m", "pip", arguments[0], *quiet, *arguments[1:]], "pip", os.environ)


def _uv(venv: Path, *arguments: str, wheels: str = "") -> None:
    """Run uv, which looks into the folder ``wheels`` too."""
    uv = venv / "bin" / "uv"
    if not uv.exists():
        raise SetupError("nothing is installed yet; run `make setup` first")
    environment = {**_places(venv), **os.environ, "VIRTUAL_ENV": str(venv)}
    environment["UV_FIND_LINKS"] = ",".join(filter(None, (wheels, environment.get("UV_FIND_LINKS"))))
    _finished([str(uv), *arguments], "uv", environment)


def _places(venv: Path) -> dict[str, str]:
    """Where pip has been told to look for packages, in uv's words; a company's mirror is named there."""
    listed = subprocess.run([venv / "bin" / "python", "-m", "pip", "config", "list"], capture_output=True, text=True)
    options = dict(re.findall(r"^(?:global|install|:env:)\.([\w-]+)='(.*)'$", listed.stdout, re.M))
    options["find-links"] = options.get("find-links", "").replace(" ", ",")
    places = {theirs: options[ours] for ours, theirs in _FROM_PIP.items() if options.get(ours)}
    # Any index may have a locked file: its hash tells that it is the right one.
    return {**places, "UV_INDEX_STRATEGY": "unsafe-best-match"}


def _finished(command: list[str], name: str, environment: Mapping[str, str]) -> None:
    if subprocess.run(command, env=environment).returncode:
        raise SetupError(f"{name} failed, see above; what is already there is kept, so just run it again when fixed")


def main(arguments: list[str]) -> int:
    """Entry point; the exit status."""
    if sys.version_info < OLDEST:
        print(f"set-up: Python {sys.version.split()[0]} is too old, 3.11 or newer is needed", file=sys.stderr)
        return 1
    home = Path(os.environ.get("LOOKBOOK_HOME") or PROJECT / ".lookbook")
    try:
        if arguments == ["lock"]:
            lock(home)
        else:
            install(home)
    except SetupError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
