"""What runs and where, and the end of it all."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from embedded.home import default_root, open_home
from embedded.parts import parts
from embedded.supervision import is_supervised, states, stop

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
