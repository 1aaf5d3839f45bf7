"""Starting, watching and ending the parts, by supervisord (http://supervisord.org).

supervisord runs each part as ``python -m embedded run PART``, which becomes the part's program: so its configuration
holds no path, no secret of a part and nothing to quote.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Error, ServerProxy

import psutil

from brief.errors import EmbeddedError
from embedded.home import Home
from embedded.parts import Part, base_environment, parts

STOP_SECONDS = 120
REMIND_SECONDS = 30
LEFTOVER_SECONDS = 5
ALIVE = frozenset({"RUNNING", "STARTING", "BACKOFF"})
PART = "LOOKBOOK_PART"
"""Environment variable that names the part a process belongs to."""
STORES = ("postgres", "s3")
"""The parts that all others need: first to start, last to end."""


class PartError(EmbeddedError):
    """A part did not come up; says which, where its log is, and how the log ends."""


@dataclass(frozen=True, slots=True)
class PartState:
    """What the supervisor knows of a part: its state in supervisord's words, and its process id (0 if none)."""

    state: str
    pid: int


def is_supervised(home: Home) -> bool:
    """Whether this home's supervisor runs; another's at our port refuses our password."""
    try:
        with _remote(home) as remote:
            return bool(remote.supervisor.getState()["statename"] == "RUNNING")
    except (OSError, Error, HTTPException, ValueError):
        return False


def start_supervisor(home: Home) -> None:
    """Start supervisord for this home; it starts no part by itself.

    Raises:
        PartError: it does not answer within ten seconds.
    """
    config = home.root / "supervisord.conf"
    config.touch(mode=0o600)
    config.write_text(_config(home))
    command = [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c", str(config)]
    done = subprocess.run(command, cwd=home.root, env=base_environment(home), capture_output=True, text=True)
    if done.returncode:
        raise PartError(f"supervisord did not start: {done.stdout}{done.stderr}")
    deadline = time.monotonic() + 10
    while not is_supervised(home):
        if time.monotonic() > deadline:
            raise PartError(f"supervisord does not answer; see {home.logs / 'supervisord.log'}")
        time.sleep(0.05)


def start_parts(home: Home, wanted: Sequence[Part]) -> None:
    """Have these parts started, those that already run left as they are; does not wait for them."""
    known = states(home)
    with _remote(home) as remote:
        for part in wanted:
            if known[part.name].state not in ALIVE:
                remote.supervisor.startProcess(part.name, False)


def stop_parts(home: Home, names: Collection[str]) -> None:
    """Have the parts of these names end, and stay ended; does not wait for them."""
    with _remote(home) as remote:
        for name, known in states(home).items():
            if name in names and known.state in ALIVE:
                remote.supervisor.stopProcess(name, False)


def wait_for(home: Home, wanted: Sequence[Part], seconds: float, say: Callable[[str], None]) -> None:
    """Wait until all these parts answer, saying which did and when.

    Raises:
        PartError: one has ended, or does not answer within ``seconds``.
    """
    start = time.monotonic()
    waiting = list(wanted)
    while waiting:
        for part in [each for each in waiting if each.answers()]:
            waiting.remove(part)
            say(f"{part.name} is up" + (f" at {part.address}" if part.address else ""))
        gone = [each for each in waiting if states(home)[each.name].state in {"FATAL", "STOPPED"}]
        if gone:
            raise PartError(f"{gone[0].name} has ended.\n{_log_end(home, gone[0].name)}")
        if waiting and time.monotonic() - start > seconds:
            raise PartError(
                f"{waiting[0].name} does not answer after {seconds:g} s.\n{_log_end(home, waiting[0].name)}"
            )
        if waiting:
            time.sleep(0.2)


def states(home: Home) -> dict[str, PartState]:
    """What the supervisor knows of each part."""
    with _remote(home) as remote:
        rows: Any = remote.supervisor.getAllProcessInfo()
    return {row["name"]: PartState(row["statename"], row["pid"]) for row in rows}


def stop(home: Home) -> int:
    """End every process of this home, in an orderly way first; returns how many had to be ended by force.

    Also what a supervisor that was killed has left behind: processes that carry this home's marker in their
    environment, and the PostgreSQL server, which overwrites its own.
    """
    remembered = _processes(home)
    if is_supervised(home):
        _ask_to_end(home)
        psutil.wait_procs(_supervisors(remembered), timeout=STOP_SECONDS)
    left = {*_processes(home), *(each for each in remembered if each.is_running())}
    for process in left:
        # Ended by SIGTERM, PostgreSQL would wait for its clients.
        ending = signal.SIGINT if _quietly(process.name, "") == "postgres" else signal.SIGTERM
        _quietly(partial(process.send_signal, ending), None)
    _, stubborn = psutil.wait_procs(left, timeout=10)
    for process in stubborn:
        _quietly(process.kill, None)
    psutil.wait_procs(stubborn, timeout=10)
    home.s3.remove_sockets()
    return len(left)


def end_leftovers(home: Home, name: str) -> int:
    """End what a killed process of part ``name`` left behind, before the part starts again; returns how many.

    A scheduler's workers outlive it, and keep its database session with all its row locks open.
    """
    left = [each for each in _processes(home) if _quietly(each.environ, {}).get(PART) == name]
    for process in left:
        _quietly(process.terminate, None)
    _, stubborn = psutil.wait_procs(left, timeout=LEFTOVER_SECONDS)
    for process in stubborn:
        _quietly(process.kill, None)
    psutil.wait_procs(stubborn, timeout=LEFTOVER_SECONDS)
    return len(left)


def _ask_to_end(home: Home) -> None:
    """Tell everything but the stores to end at the same time; supervisord by itself ends one after the other."""
    stop_parts(home, [part.name for part in parts(home) if part.name not in STORES])
    with _remote(home) as remote:
        remote.supervisor.shutdown()


def _remote(home: Home) -> AbstractContextManager[Any]:
    return ServerProxy(f"http://lookbook:{home.credentials.supervisor}@127.0.0.1:{home.ports.supervisor}/RPC2")


def _supervisors(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    return [each for each in processes if "supervisor.supervisord" in _quietly(each.cmdline, [])]


def _processes(home: Home) -> list[psutil.Process]:
    """Running processes of this home, this one and its parents left out."""
    own = {os.getpid(), *(each.pid for each in psutil.Process().parents())}
    marked = [
        process
        for process in psutil.process_iter()
        if process.pid not in own
        and _quietly(process.environ, {}).get("LOOKBOOK_SUPERVISED") == str(home.root)
        and process.status() != psutil.STATUS_ZOMBIE
    ]
    return marked + _postmaster(home)


def _postmaster(home: Home) -> list[psutil.Process]:
    """The PostgreSQL server by its pid file; a pid that somebody else got after a reboot is told by the folder."""
    try:
        process = psutil.Process(int((home.postgres.data / "postmaster.pid").read_text().split()[0]))
        return [process] if Path(process.cwd()) == home.postgres.data else []
    except (OSError, ValueError, IndexError, psutil.Error):
        return []


def _quietly(ask: Callable[[], Any], otherwise: Any) -> Any:
    """What a process says, or ``otherwise`` if it is gone or another user's."""
    try:
        return ask()
    except (psutil.Error, OSError):
        return otherwise


def _log_end(home: Home, name: str) -> str:
    log = home.logs / f"{name}.log"
    lines = log.read_text(errors="replace").splitlines()[-25:] if log.exists() else []
    return "\n".join([f"The end of {log}:", *(f"  {line}" for line in lines)])


def _config(home: Home) -> str:
    sections = [
        "[supervisord]\nlogfile=logs/supervisord.log\nlogfile_maxbytes=5MB\nlogfile_backups=2\n"
        "pidfile=supervisord.pid\nchildlogdir=logs\numask=077",
        f"[inet_http_server]\nport=127.0.0.1:{home.ports.supervisor}\nusername=lookbook\n"
        f"password={home.credentials.supervisor}",
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
    ]
    for order, part in enumerate(parts(home), start=1):
        sections.append(
            f"[program:{part.name}]\ncommand=python -m embedded run {part.name}\npriority={order}\n"
            # Time enough to load its code: what ends sooner has failed to start, and is given up after a few attempts.
            f"autostart=false\nautorestart=true\nstartsecs=10\nstartretries=3\nstopsignal={part.stop_signal.name[3:]}\n"
            f"stopwaitsecs={part.stop_seconds}\nstopasgroup={str(part.stop_group).lower()}\nkillasgroup=true\n"
            f"redirect_stderr=true\nstdout_logfile=logs/{part.name}.log\nstdout_logfile_maxbytes=10MB\n"
            "stdout_logfile_backups=2"
        )
    return "\n\n".join(sections) + "\n"
