"""What runs and where, and the end of it all."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from embedded.home import ACCOUNTS, BUCKET, Home, default_root, open_catalog, open_home, open_objects
from embedded.parts import parts
from embedded.supervision import is_supervised, states, stop
from storage.catalog.gallery import ShotFilter
from storage.catalog.tables import ShotState

SHOWN_LINKS = 3
LINK_SECONDS = 12 * 3600
WORDS = {
    "STOPPED": "stopped",
    "STARTING": "starting",
    "BACKOFF": "failing, tried again",
    "FATAL": "failed, see its log",
}
"""For the supervisor's states of a part that does not answer."""


def show_status() -> int:
    """Print a table of the parts; the exit status is 0 if all answer."""
    home = open_home(default_root())
    known = states(home) if is_supervised(home) else {}
    table = Table("part", "state", "address", "pid")
    well = True
    for part in parts(home):
        state = known.get(part.name)
        answers = state is not None and part.answers()
        well &= answers
        word = "stopped" if state is None else "well" if answers else WORDS.get(state.state, "does not answer")
        pid = str(state.pid) if state and state.pid else ""
        table.add_row(part.name, word, part.address, pid)
    console = Console()
    console.print(table)
    console.print(f"Their logs: {home.logs}/PART.log", highlight=False, markup=False, soft_wrap=True)
    return 0 if well else 1


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
