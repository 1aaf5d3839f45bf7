"""The ``lookbook`` command, also ``python -m embedded``: the set-up on this machine, its catalog, its Airflow, bundles.

Commands that need a database, a bucket or the generation service find those of this machine's set-up, unless
``LOOKBOOK_DATABASE_URL`` is set: then the variables of the environment hold, all of them.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING

import click

from brief.settings import Settings
from embedded.home import Home, default_root, open_home

if TYPE_CHECKING:
    from storage.importing.packshots import PackshotModels

OTHERS = {
    "bundle": "generation.bundle.commands:bundle",
    "calibrate": "pipeline.commands:calibrate",
    "describe": "pipeline.commands:describe",
    "explain": "pipeline.commands:explain",
    "judge": "pipeline.commands:judge",
    "renditions": "pipeline.commands:renditions",
    "reproduce": "pipeline.commands:reproduce",
    "verify": "pipeline.commands:verify",
}
"""Commands that other packages make: name, then module and click command. Loaded when they are asked for."""

NOTHING_DONE = 2
"""Exit status of an import that could not begin."""
_ANYTHING = {"ignore_unknown_options": True, "help_option_names": []}
_ARGUMENTS = click.argument("arguments", nargs=-1, type=click.UNPROCESSED)


class _Commands(click.Group):
    """The commands of this file and :data:`OTHERS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *OTHERS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in OTHERS:
            return super().get_command(ctx, cmd_name)
        module, _, name = OTHERS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(cls=_Commands)
@click.pass_context
def main(context: click.Context) -> None:
    """Catalog rows in, finished campaign pictures out."""
    if context.invoked_subcommand in OTHERS:
        _name_servers()


@main.command()
def demo() -> None:
    """Start the servers, load the sample catalog, make its pictures."""
    from embedded.demo import demo as run_demo

    sys.exit(run_demo())


@main.command()
def stop() -> None:
    """End every server that runs here."""
    from embedded.servers import stop_all

    sys.exit(stop_all())


@main.command()
def status() -> None:
    """What runs, where, and how many shots are in which state."""
    from embedded.servers import show_status

    code = show_status()
    sys.exit(code or _storage("status"))


@main.command("open")
def show_addresses() -> None:
    """Addresses, log-ins, and links to the newest pictures that work without keys."""
    from embedded.servers import show_addresses as show

    sys.exit(show(_needed_home()))


@main.command("import", context_settings=_ANYTHING)
@_ARGUMENTS
def import_rows(arguments: tuple[str, ...]) -> None:
    """Load a folder of products, environments, personas and campaigns; --help tells the options."""
    began = datetime.now(UTC)
    from pipeline.commands import packshot_models

    code = _storage("import", *arguments, models=packshot_models())
    if code != NOTHING_DONE and (home := _existing_home()) is not None:
        _announce_import(home, began)
    sys.exit(code)


def _announce_import(home: Home, began: datetime) -> None:
    """Have Airflow make what an import changed."""
    from embedded.airflow import AirflowApi, AirflowError
    from pipeline.airflow_assets import IMPORTS

    try:
        with AirflowApi(home) as airflow:
            if airflow.announce(IMPORTS, {"since": began.isoformat()}):
                print("DAG catalog makes the pictures of what changed, if it is unpaused.")
    except AirflowError as error:
        print(f"{error}; what changed is made tonight, or when you trigger DAG catalog", file=sys.stderr)


@main.command(context_settings=_ANYTHING)
@_ARGUMENTS
def catalog(arguments: tuple[str, ...]) -> None:
    """Look after the catalog's rows and tables; --help lists what can be done."""
    sys.exit(_storage(*arguments))


@main.command(context_settings=_ANYTHING)
@_ARGUMENTS
def airflow(arguments: tuple[str, ...]) -> None:
    """Airflow's own command line, with this set-up's Airflow: lookbook airflow dags list."""
    from embedded.airflow import airflow_environment
    from embedded.parts import base_environment, lookbook_environment

    home = _needed_home()
    environment = {**base_environment(home), **lookbook_environment(home), **airflow_environment(home)}
    command = [sys.executable, "-m", "airflow", *arguments]
    os.execvpe(command[0], command, environment)  # noqa: S606


@main.command("run", hidden=True)
@click.argument("name")
def exec_part(name: str) -> None:
    """Become the program of a part, under the process id that the supervisor knows."""
    from embedded.parts import part
    from embedded.supervision import PART, end_leftovers

    home = open_home(default_root())
    wanted = part(home, name)
    end_leftovers(home, name)
    os.execvpe(wanted.command[0], wanted.command, {**os.environ, **wanted.environment, PART: name})  # noqa: S606


def _storage(*arguments: str, models: PackshotModels | None = None) -> int:
    """Storage's own command line; its exit status."""
    from storage.__main__ import main as storage

    if not _name_servers():
        _needed_home()
    return storage(arguments, models)


def _name_servers() -> bool:
    """Have this process's variables name the servers of this machine's set-up, unless they name others already;
    whether any are named then."""
    if Settings.read().database_url:
        return True
    if (home := _existing_home()) is None:
        return False
    from embedded.parts import lookbook_environment

    os.environ.update(lookbook_environment(home))
    return True


def _existing_home() -> Home | None:
    root = default_root()
    return open_home(root) if (root / "credentials.json").exists() else None


def _needed_home() -> Home:
    home = _existing_home()
    if home is None:
        raise click.ClickException(f"nothing is set up in {default_root()}: run `make demo` first")
    return home


if __name__ == "__main__":
    main(prog_name="lookbook")
