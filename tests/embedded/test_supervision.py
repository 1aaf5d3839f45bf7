"""What was started is ended, also when the supervisor cannot do it any more."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from embedded.home import Home, open_home, with_free_ports
from embedded.parts import Part, part
from embedded.supervision import PartError, is_supervised, start_parts, start_supervisor, states, stop, wait_for


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home in a folder with all that configuration files trip over, its supervisor running."""
    made, _ = with_free_ports(open_home(tmp_path / "50% of; a #home's"))
    made.postgres.initialise()
    start_supervisor(made)
    yield made
    stop(made)
    assert not is_supervised(made)


@pytest.fixture
def postgres(home: Home) -> Part:
    """The part, once it answers."""
    wanted = part(home, "postgres")
    start_parts(home, [wanted])
    wait_for(home, [wanted], 90, print)
    return wanted


def test_stop_ends_the_parts_in_good_order(home: Home, postgres: Part) -> None:
    pid = states(home)["postgres"].pid
    assert stop(home) == 0
    assert not psutil.pid_exists(pid)
    assert "database system is shut down" in (home.logs / "postgres.log").read_text()


def test_stop_ends_what_a_killed_supervisor_left_behind(home: Home, postgres: Part) -> None:
    pid = states(home)["postgres"].pid
    supervisor = psutil.Process(pid).parent()
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait(10)
    assert stop(home) >= 1
    assert not psutil.pid_exists(pid)


def test_a_killed_part_is_started_again(home: Home, postgres: Part) -> None:
    os.kill(states(home)["postgres"].pid, signal.SIGKILL)
    wait_for(home, [postgres], 90, print)


def test_another_homes_supervisor_is_not_taken_for_ours(home: Home, tmp_path: Path) -> None:
    other = open_home(tmp_path / "other")
    assert not is_supervised(replace(other, ports=home.ports))


def test_a_part_that_does_not_come_up_is_named_with_the_end_of_its_log(home: Home) -> None:
    (home.postgres.data / "postgresql.conf").write_text("no_such_setting = 1\n")
    wanted = part(home, "postgres")
    start_parts(home, [wanted])
    with pytest.raises(PartError, match=r"(?s)postgres .*no_such_setting"):
        wait_for(home, [wanted], 90, print)
