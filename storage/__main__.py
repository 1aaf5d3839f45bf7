"""``python -m storage``: migrate the catalog, import into it, see where it stands, end what is over.

Reads ``LOOKBOOK_DATABASE_URL`` and the ``LOOKBOOK_S3_*`` variables. Exit code 0: done; 1: done, but rows were refused;
2: could not be done.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from brief.errors import LookbookError
from brief.settings import DATABASE_URL, Settings
from storage.bucket import keys as object_keys
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.catalog.retiring import KINDS, restore, retire, set_campaign_state, take_downs
from storage.catalog.tables import CampaignState
from storage.importing.feeds import Columns
from storage.importing.import_catalog import FEEDS, ImportReport, Listener, Options, import_catalog
from storage.importing.lines import BadRow, Notice
from storage.importing.packshots import PackshotModels
from storage.migrations import latest_revision, migrate, schema_revision


def main(arguments: Sequence[str] | None = None, models: PackshotModels | None = None) -> int:
    """Run one command; returns the exit code. ``models`` are asked about packshots of an import."""
    chosen = _parser().parse_args(arguments)
    out, errors = Console(), Console(stderr=True)
    try:
        with _catalog() as catalog:
            if chosen.command == "migrate":
                migrate(catalog.engine)
                out.print(f"The catalog is at revision {latest_revision()}.")
                return 0
            if chosen.command == "status":
                _print_status(catalog, out)
                return 0
            if chosen.command in ("campaign", "retire", "restore", "take-downs"):
                _end(chosen, catalog, out)
                return 0
            if chosen.command == "packshots":
                for product in catalog.doubtful_packshots():
                    preview = object_keys.cutout(product.packshot.sha256)
                    out.print(f"{product.sku}: {'; '.join(product.doubts)} ({preview})", markup=False, soft_wrap=True)
                return 0
            if chosen.command == "approve-packshot":
                for sku in chosen.sku:
                    catalog.approve_packshot(sku, chosen.who)
                return 0
            return _import(chosen, catalog, out, errors, models)
    except LookbookError as error:
        errors.print(f"{error}", style="red", markup=False, soft_wrap=True)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m storage", description="The catalog of pictures.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="bring the catalog's tables up to date")
    commands.add_parser("status", help="shots by campaign and state")
    importing = commands.add_parser("import", help="load CSV or JSON Lines and their images")
    importing.add_argument("path", type=Path, help="a folder with products.jsonl and so on, or one such file")
    importing.add_argument("--outside", action="store_true", help="take images from outside the folder too")
    importing.add_argument("--private-addresses", action="store_true", help="fetch images from the own network too")
    importing.add_argument("--feed", choices=FEEDS, help="the file is a product feed of this kind")
    importing.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help="the file is a table of products: which "
        "column fills sku, title, packshot, category, views, attributes.NAME",
    )
    importing.add_argument("--replace", action="store_true", help="products that are not in the file leave")
    importing.add_argument("--most-may-leave", action="store_true", help="with --replace: even if most do")
    commands.add_parser("packshots", help="packshots that wait for approval, and why")
    approving = commands.add_parser("approve-packshot", help="take doubtful packshots as they are")
    approving.add_argument("sku", nargs="+")
    approving.add_argument("--who", default=getpass.getuser(), help="who approves it (you)")
    _add_ending(commands)
    return parser


def _add_ending(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    campaign = commands.add_parser("campaign", help="pause, end, archive or resume a campaign")
    campaign.add_argument("state", choices=[state.value for state in CampaignState])
    campaign.add_argument("name")
    for command, what in (("retire", "make nothing more of it"), ("restore", "use what was retired again")):
        parser = commands.add_parser(command, help=f"a product, environment or persona: {what}")
        parser.add_argument("kind", choices=[kind.__name__.lower() for kind in KINDS])
        parser.add_argument("name", help="its SKU or name")
    for parser in (commands.choices["campaign"], commands.choices["retire"], commands.choices["restore"]):
        parser.add_argument("--why", default="", help="for the audit log")
    commands.add_parser("take-downs", help="what is published and not wanted any more")


def _end(chosen: argparse.Namespace, catalog: Catalog, out: Console) -> None:
    who = getpass.getuser()
    with catalog.begin() as session:
        if chosen.command == "take-downs":
            for each in take_downs(session):
                line = f"{each.campaign}: {each.sku}: {each.why}: {each.manifest_key}"
                out.print(line, markup=False, highlight=False, soft_wrap=True)
            return
        if chosen.command == "campaign":
            number = set_campaign_state(session, chosen.name, CampaignState(chosen.state), who, chosen.why)
            message = f"campaign {chosen.name!r} is {chosen.state}; {number} outstanding shots superseded"
            out.print(message, markup=False, soft_wrap=True)
            return
        kind = {kind.__name__.lower(): kind for kind in KINDS}[chosen.kind]
        if chosen.command == "restore":
            restore(session, kind, chosen.name, who, chosen.why)
            out.print(f"{chosen.kind} {chosen.name!r} is used again.", markup=False)
            return
        number = retire(session, kind, chosen.name, who, chosen.why)
        out.print(
            f"{chosen.kind} {chosen.name!r} is retired; {number} outstanding shots superseded. What is published: "
            "python -m storage take-downs",
            markup=False,
            soft_wrap=True,
        )


def _catalog() -> Catalog:
    return Catalog.at(Settings.read().needed("database_url"), DATABASE_URL)


class _OnTerminal(Listener):
    """Shows how far an import is, and above that what was refused."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("Importing", total=1.0)

    def progress(self, where: str, share: float) -> None:
        self._bar.update(self._task, completed=share, description=where)

    def bad(self, row: BadRow) -> None:
        name = f" {row.name!r}" if row.name else ""
        place = f"{row.where}{name} {row.field}".rstrip()
        self._print(f"{place}: {row.reason}", "red")

    def notice(self, notice: Notice) -> None:
        self._print(f"{notice.where}: {notice.text}", "yellow")

    def _print(self, text: str, style: str) -> None:
        self._bar.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _import(
    chosen: argparse.Namespace, catalog: Catalog, out: Console, errors: Console, models: PackshotModels | None
) -> int:
    with Progress(console=errors, transient=True) as bar:
        listener = _OnTerminal(bar)
        report = import_catalog(chosen.path, catalog, Objects.from_env(), listener, _options(chosen, models))
    _print_report(report, out)
    return 1 if report.refused else 0


def _options(chosen: argparse.Namespace, models: PackshotModels | None) -> Options:
    return Options(
        outside=chosen.outside,
        private=chosen.private_addresses,
        feed=Columns.from_options(chosen.column) if chosen.column else chosen.feed,
        replace=chosen.replace,
        most_may_leave=chosen.most_may_leave,
        models=models,
    )


def _print_report(report: ImportReport, out: Console) -> None:
    table = Table("", "new", "changed", "unchanged", "refused", title=f"Imported; {report.refused} rows refused")
    for kind, counts in report.counts.items():
        numbers = (counts.new, counts.changed, counts.unchanged, counts.refused)
        table.add_row(kind, *(f"{number:,}" for number in numbers))
    out.print(table)
    if report.retired:
        out.print(f"{report.retired:,} products left the feed; nothing is made of them any more.")


def _print_status(catalog: Catalog, out: Console) -> None:
    out.print(f"Schema: revision {schema_revision(catalog.engine)}, newest {latest_revision()}.")
    for campaign in catalog.campaigns():
        shots = ", ".join(f"{number} {state}" for state, number in catalog.totals(campaign.name).items() if number)
        out.print(f"{campaign.name}: {shots or 'no shots yet'}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
