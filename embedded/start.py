"""From a home, new or old, to servers that all answer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from brief.errors import EmbeddedError
from embedded.airflow import airflow_environment, write_passwords
from embedded.home import BUCKET, Home, open_catalog, open_objects, with_free_ports
from embedded.parts import Part, base_environment, lookbook_environment, parts
from embedded.supervision import STORES, is_supervised, start_parts, start_supervisor, stop, wait_for
from storage.catalog.database import migrate

Say = Callable[[str], None]
STORES_SECONDS = 120
IDLE_TRANSACTION_SECONDS = 60
"""Longer than Airflow ever pauses inside a transaction."""
SERVERS_SECONDS = 900
"""Patience for Airflow and the generation service on a slow, busy machine; usually they need some 20 s."""


class ToolError(EmbeddedError):
    """A one-off program failed; carries what it said."""


def start(home: Home, say: Say) -> Home:
    """Have every part run and answer; returns the home with the ports it got.

    Parts that run already stay as they are, so that this takes a second when all do.

    Raises:
        PartError: a part does not come up.
        ToolError: a migration failed.
    """
    if not is_supervised(home):
        left = stop(home)
        if left:
            say(f"ended {left} processes that an earlier run left behind")
        home, changes = with_free_ports(home)
        for change in changes:
            say(change)
        home.postgres.initialise()
        home.s3.initialise()
        write_passwords(home)
        start_supervisor(home)
    everything = parts(home)
    silent = [part for part in everything if not part.answers()]
    if silent:
        _start_stores(home, [part for part in everything if part.name in STORES], say)
        _make_bundle(home, say)
        _start_servers(home, [part for part in silent if part.name not in STORES], say)
    return home


def _start_stores(home: Home, stores: list[Part], say: Say) -> None:
    start_parts(home, stores)
    wait_for(home, stores, STORES_SECONDS, say)
    home.postgres.create_database("airflow", owner="airflow", password=home.credentials.airflow_database)
    home.postgres.limit_idle_transactions("airflow", IDLE_TRANSACTION_SECONDS)
    home.postgres.create_database("lookbook", owner="lookbook", password=home.credentials.lookbook_database)
    open_objects(home).ensure_bucket()
    home.s3.sync_writes(BUCKET)


def _make_bundle(home: Home, say: Say) -> None:
    if not (home.bundle / "bundle.toml").exists():
        say(f"no trained bundle here: making one with RANDOM weights in {home.bundle}, its pictures will be noise")
        command = ("generation.bundle.miniature", str(home.bundle))
        _finished(_tool(home, command), command)


def _start_servers(home: Home, servers: list[Part], say: Say) -> None:
    """The slow ones together: Airflow's schema is brought up to date while the generation service loads its bundle."""
    start_parts(home, [part for part in servers if part.name == "service"])
    command = ("airflow", "db", "migrate")
    migration = _tool(home, command)
    engine = open_catalog(home).engine
    migrate(engine)
    engine.dispose()
    _finished(migration, command)
    start_parts(home, servers)
    wait_for(home, servers, SERVERS_SECONDS, say)


def _tool(home: Home, arguments: tuple[str, ...]) -> subprocess.Popen[str]:
    """A one-off program, ``python -m`` with these arguments, in the environment of Airflow's parts."""
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=home.root,
        env={**base_environment(home), **lookbook_environment(home), **airflow_environment(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    )


def _finished(process: subprocess.Popen[str], arguments: tuple[str, ...]) -> str:
    said, _ = process.communicate()
    if process.returncode:
        raise ToolError(f"`python -m {' '.join(arguments)}` failed:\n{said.strip()[-3000:]}")
    return said
