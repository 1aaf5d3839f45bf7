"""Installing: once, again when something changed, again when it was cut off or broken, and only what was locked."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from embedded import installation
from embedded.home import PROJECT
from embedded.installation import SetupError, install

UV = Path(sys.executable).parent / "uv"
_PROJECT = '[build-system]\nrequires = ["setuptools"]\n[project]\nname = "small"\nversion = "1"\n'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installed home with empty lock files; making a venv takes seconds, so each test takes a turn with it."""
    home = tmp_path_factory.mktemp("install") / "a home"
    for name in ("requirements.lock", "torch.lock"):
        (home.parent / name).write_text("# nothing\n")
    with pytest.MonkeyPatch.context() as patch:
        _use(patch, home)
        assert install(home)
    return home


@pytest.fixture
def home(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    _use(monkeypatch, made)
    return made


def _use(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Use the lock files beside ``home`` for a project that needs nothing else, the uv of these tests instead of one
    from the network, and the locked setuptools, since what comes with an older Python builds nothing alone."""
    locked = (PROJECT / "requirements.lock").read_text().splitlines()
    backend = home.parent / "setuptools.lock"
    backend.write_text(next(line for line in locked if line.startswith("setuptools==")))
    project = home.parent / "project"
    project.mkdir(exist_ok=True)
    (project / "pyproject.toml").write_text(_PROJECT)
    make_venv = installation._make_venv

    def make_with_uv(venv: Path) -> None:
        make_venv(venv)
        (venv / "bin" / "uv").symlink_to(UV)
        installation._uv(venv, "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", str(backend))

    patch.setattr(installation, "PROJECT", project)
    patch.setattr(installation, "LOCK", home.parent / "requirements.lock")
    patch.setattr(installation, "TORCH_LOCKS", {"cpu": home.parent / "torch.lock", "cuda": home.parent / "torch.lock"})
    patch.setattr(installation, "_make_venv", make_with_uv)


def test_again_does_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_install_packages", lambda *_: pytest.fail("pip or uv was called"))
    assert not install(home)


def test_a_changed_lock_file_is_installed_over_what_is_there(home: Path) -> None:
    (home / "venv" / "kept").touch()
    installation.LOCK.write_text("# nothing, said otherwise\n")
    assert install(home)
    assert (home / "venv" / "kept").exists()


def test_only_a_package_with_the_locked_hash_is_installed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = _make_wheel(home.parent)
    monkeypatch.setenv("UV_FIND_LINKS", str(wheel.parent))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    installation.LOCK.write_text(f"tampered==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(SetupError, match="uv failed"):
        install(home)
    assert not list((home / "venv").rglob("tampered*"))
    installation.LOCK.write_text(f"tampered==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    assert install(home)
    assert list((home / "venv").rglob("tampered.py"))


def test_a_cut_off_installation_is_not_taken_for_done(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installation.LOCK.write_text("# nothing, in other words\n")

    def no_network(*_: object) -> None:
        raise SetupError("pip failed")

    with monkeypatch.context() as patch, pytest.raises(SetupError):
        patch.setattr(installation, "_install_packages", no_network)
        install(home)
    (home / "venv" / "half").touch()
    assert install(home)
    assert not (home / "venv" / "half").exists()


def test_a_misspelt_build_of_torch_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOKBOOK_TORCH", "gpu")
    with pytest.raises(SetupError, match="LOOKBOOK_TORCH is 'gpu'; say one of cpu, cuda"):
        install(home)


def test_the_companys_mirror_in_pips_configuration_is_told_to_uv(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    assert installation._places(home / "venv")["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"


def test_a_broken_venv_is_made_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(home / "venv" / "bin")
    made: list[Path] = []
    monkeypatch.setattr(installation, "_make_venv", made.append)
    monkeypatch.setattr(installation, "_install_packages", lambda *_: None)
    assert install(home)
    assert made == [home / "venv"]


def test_every_dependency_is_locked_with_its_version_and_hashes() -> None:
    locked = {}
    for path in PROJECT.glob("requirements*.lock"):
        for line in path.read_text().splitlines()[1:]:
            assert re.match(r"[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), f"{path.name}: {line[:80]}"
            name, _, rest = line.partition("==")
            locked[name.lower().replace("_", "-")] = rest.split()[0].removesuffix("+cpu")
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [each for extra in project["optional-dependencies"].values() for each in extra]
    direct = dict(re.sub(r"\[.*?\]", "", each).split("==") for each in wanted)
    assert {name: locked.get(name.lower().replace("_", "-")) for name in direct} == direct, "run `make lock`"


def _make_wheel(folder: Path) -> Path:
    path = folder / "wheels" / "tampered-1.0-py3-none-any.whl"
    path.parent.mkdir()
    info = "tampered-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tampered.py", "")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tampered\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", f"tampered.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path
