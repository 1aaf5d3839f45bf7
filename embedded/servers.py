"""From a home, new or old, to servers that all answer; what runs and where; and the end of it all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from brief.errors import EmbeddedError
from embedded.airflow import airflow_environment, write_passwords
from embedded.home import ACCOUNTS, BUCKET, Home, default_root, open_catalog, open_home, open_objects, with_free_ports
from embedded.parts import Part, base_environment, lookbook_environment, parts
from embedded.supervision import STORES, is_supervised, start_parts, start_supervisor, states, stop, wait_for
from storage.catalog.gallery import ShotFilter
from storage.catalog.tables import ShotState
from storage.migrations import migrate

Say = Callable[[str], None]
SHOWN_LINKS = 3
LINK_SECONDS = 12 * 3600
WORDS = {
    "STOPPED": "stopped",
    "STARTING": "starting",
    "BACKOFF": "failing, tried again",
    "FATAL": "failed, see its log",
}
"""For the supervisor's states of a part that does not answer."""
STORES_SECONDS = 120
IDLE_TRANSACTION_SECONDS = 60
"""Longer than Airflow ever pauses inside a transaction."""
SERVERS_SECONDS = 900
"""Patience for Airflow and the generation service on a slow, busy machine; usually they need some 20 s."""


class ToolError(EmbeddedError):
    """A one-off program failed; carries its output."""


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
    output, _ = process.communicate()
    if process.returncode:
        raise ToolError(f"`python -m {' '.join(arguments)}` failed:\n{output.strip()[-3000:]}")
    return output


def show_status() -> int:
    """Print a table of the parts; the exit status is 0 if all answer."""
    home = open_home(default_root())
    known = states(home) if is_supervised(home) else {}
    table = Table("part", "state", "address", "pid")
    healthy = True
    for part in parts(home):
        state = known.get(part.name)
        answers = state is not None and part.answers()
        healthy &= answers
        word = "stopped" if state is None else "healthy" if answers else WORDS.get(state.state, "does not answer")
        pid = str(state.pid) if state and state.pid else ""
        table.add_row(part.name, word, part.address, pid)
    console = Console()
    console.print(table)
    console.print(f"Their logs: {home.logs}/PART.log", highlight=False, markup=False, soft_wrap=True)
    return 0 if healthy else 1


def show_addresses(home: Home) -> int:
    """Print where everything is and how to get in; the exit status is 1 if nothing runs."""
    if not is_supervised(home):
        print("Nothing runs; start it with `make demo`.", file=sys.stderr)
        return 1
    passwords = home.passwords
    gallery = f"{home.airflow_url}/plugin/lookbook-gallery"
    rows = [("Airflow", home.airflow_url)]
    rows += [(f"  {name}", f"password {passwords[name]}   {account.may}") for name, account in ACCOUNTS.items()]
    rows += [("pictures", gallery), ("reviews", f"{home.airflow_url}/plugin/lookbook-reviews")]
    sheet = home.root / "contact-sheet.png"
    if sheet.exists():
        rows.append(("contact sheet", str(sheet)))
    rows += [("newest" if index == 0 else "", link) for index, link in enumerate(_links(home))]
    rows += [
        ("S3", f"{home.s3.endpoint}/{BUCKET}   keys in {home.root / 'credentials.json'}"),
        ("service", f"{home.service_url}   token in the same file"),
        ("your rows", f"{sys.executable.removesuffix('python')}lookbook import FOLDER"),
        ("stop it", "make stop"),
    ]
    console = Console()
    for name, value in rows:
        console.print(f"  {name:<14}{value}", highlight=False, soft_wrap=True, markup=False)
    return 0


def _links(home: Home) -> list[str]:
    """Addresses of the newest published pictures, signed, so that a browser shows them without keys."""
    catalog, objects = open_catalog(home), open_objects(home)
    newest = catalog.find_shots(ShotFilter(state=ShotState.PUBLISHED), limit=SHOWN_LINKS).shots
    catalog.engine.dispose()
    return [objects.url(each.publication.master.key, LINK_SECONDS) for each in newest if each.publication]


def stop_all() -> int:
    """End every process of the home."""
    home = open_home(default_root())
    ran = is_supervised(home)
    forced = stop(home)
    if ran:
        print("Every part has ended.")
    elif forced:
        print(f"Ended {forced} processes that an earlier run left behind.")
    else:
        print("Nothing runs.")
    return 0
