"""The folder of a set-up: closed to others, its credentials drawn once, its ports free."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

import pytest

from embedded.home import Home, open_home, with_free_ports
from embedded.ports import free_port


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return open_home(tmp_path / "a folder" / ".lookbook")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nobody_else_may_look_inside(home: Home) -> None:
    assert mode(home.root) == 0o700
    assert mode(home.root / "credentials.json") == 0o600


def test_a_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    open_home(tmp_path)
    assert mode(tmp_path) == 0o700


def test_credentials_are_drawn_once_and_for_each_home(home: Home, tmp_path: Path) -> None:
    assert open_home(home.root) == home
    assert open_home(tmp_path / "other").credentials.postgres != home.credentials.postgres


def test_a_credential_that_a_new_version_adds_is_drawn_and_the_others_stay(home: Home) -> None:
    path = home.root / "credentials.json"
    older = {name: value for name, value in json.loads(path.read_text()).items() if name != "service_token"}
    path.write_text(json.dumps(older | {"forgotten": "x"}))
    newer = open_home(home.root).credentials
    assert newer.postgres == home.credentials.postgres
    assert newer.service_token != home.credentials.service_token
    assert open_home(home.root).credentials == newer


def test_the_jwt_secret_is_long_enough_for_hs512(home: Home) -> None:
    assert len(home.credentials.airflow_jwt) >= 64


def test_a_taken_port_is_replaced_said_and_remembered(home: Home) -> None:
    wanted = free_port(home.ports.service)
    (home.root / "ports.json").write_text(json.dumps({"service": wanted}))
    with socket.socket() as other:
        other.bind(("127.0.0.1", wanted))
        other.listen()
        moved, said = with_free_ports(open_home(home.root))
    assert moved.ports.service != wanted
    assert f"port {wanted} is taken, so service gets {moved.ports.service}" in said
    assert open_home(home.root).ports == moved.ports


def test_no_two_parts_share_a_port(home: Home) -> None:
    ports, _ = with_free_ports(home)
    values = json.loads((ports.root / "ports.json").read_text()).values()
    assert len(set(values)) == len(values)
