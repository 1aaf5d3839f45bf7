"""``python -m embedded demo | stop | status | import FOLDER | run PART``; what the Makefile calls."""

from __future__ import annotations

import os
import sys

USAGE = "usage: python -m embedded demo | stop | status | import FOLDER | run PART"


def main(arguments: list[str]) -> int:
    """Entry point; the exit status."""
    match arguments:
        case ["run", name]:
            return _become(name)
        case ["demo"]:
            from embedded.demo import demo

            return demo()
        case ["stop"]:
            from embedded.status import stop_all

            return stop_all()
        case ["status"]:
            from embedded.status import show_status

            return show_status()
        case ["import", path]:
            return _import(path)
    print(USAGE, file=sys.stderr)
    return 2


def _import(path: str) -> int:
    """Load a folder of the user's own rows into the catalog of the set-up, whose addresses nobody has to know."""
    from embedded.home import default_root, open_home
    from embedded.parts import lookbook_environment
    from storage.__main__ import main as storage

    os.environ.update(lookbook_environment(open_home(default_root())))
    return storage(["import", path])


def _become(name: str) -> int:
    """Become the program of a part, under the process id that the supervisor knows."""
    from embedded.home import default_root, open_home
    from embedded.parts import part
    from embedded.supervision import PART, end_leftovers

    home = open_home(default_root())
    wanted = part(home, name)
    end_leftovers(home, name)
    os.execvpe(wanted.command[0], wanted.command, {**os.environ, **wanted.environment, PART: name})  # noqa: S606


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
