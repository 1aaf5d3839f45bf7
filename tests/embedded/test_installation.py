"""Installing: once, again when something changed, and anew when it was cut off or broken."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from embedded import installation
from embedded.installation import SetupError, install


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installed home with an empty lock file; making a venv takes seconds, so each test takes a turn with it."""
    home = tmp_path_factory.mktemp("install") / "a home"
    lock = home.parent / "requirements.lock"
    lock.write_text("# nothing\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(installation, "LOCK", lock)
        assert install(home)
    return home


@pytest.fixture
def home(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(installation, "LOCK", made.parent / "requirements.lock")
    return made


def test_again_does_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_pip", lambda *_: pytest.fail("pip was called"))
    assert not install(home)


def test_a_changed_lock_file_is_installed_over_what_is_there(home: Path) -> None:
    (home / "venv" / "kept").touch()
    installation.LOCK.write_text("# nothing, said otherwise\n")
    assert install(home)
    assert (home / "venv" / "kept").exists()


def test_a_cut_off_installation_is_not_taken_for_done(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installation.LOCK.write_text("# nothing, in other words\n")

    def no_network(*_: object) -> None:
        raise SetupError("pip failed")

    with monkeypatch.context() as patch, pytest.raises(SetupError):
        patch.setattr(installation, "_pip", no_network)
        install(home)
    (home / "venv" / "half").touch()
    assert install(home)
    assert not (home / "venv" / "half").exists()


def test_a_broken_venv_is_made_anew(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(home / "venv" / "bin")
    made: list[Path] = []
    monkeypatch.setattr(installation, "_make_venv", made.append)
    monkeypatch.setattr(installation, "_pip", lambda *_: None)
    assert install(home)
    assert made == [home / "venv"]
