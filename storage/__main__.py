"""``python -m storage``: migrate the catalog, import into it, see where it stands.

Reads ``LOOKBOOK_DATABASE_URL`` and the ``LOOKBOOK_S3_*`` variables. Exit code 0: done; 1: done, but rows were refused;
2: could not be done.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from brief.images import ImageRefused
from storage.bucket.errors import ObjectError
from storage.bucket.objects import Objects
from storage.bucket.settings import ObjectSettingsError
from storage.catalog.catalog import Catalog
from storage.catalog.errors import CatalogError, CatalogUrlError
from storage.catalog.migrate import latest_revision, migrate, schema_revision
from storage.importing.import_catalog import ImportReport, NothingToImport, import_catalog

EXPECTED = (CatalogError, ImageRefused, NothingToImport, ObjectError, ObjectSettingsError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser("python -m storage", description="The catalog of pictures.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="bring the catalog's tables up to date")
    commands.add_parser("status", help="shots by campaign and state")
    importing = commands.add_parser("import", help="load CSV or JSON Lines and their images")
    importing.add_argument("path", type=Path, help="a folder with products.jsonl and so on, or one such file")
    chosen = parser.parse_args(arguments)
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
            return _import(chosen.path, catalog, out, errors)
    except EXPECTED as error:
        errors.print(f"{error}", style="red", markup=False, soft_wrap=True)
        return 2


def _catalog() -> Catalog:
    url = os.environ.get("LOOKBOOK_DATABASE_URL", "")
    if not url:
        raise CatalogUrlError("LOOKBOOK_DATABASE_URL is not set; name the catalog's database")
    return Catalog.at(url)


def _import(path: Path, catalog: Catalog, out: Console, errors: Console) -> int:
    with Progress(console=errors, transient=True) as bar:
        task = bar.add_task("Importing", total=None)
        report = import_catalog(
            path, catalog, Objects.from_env(), lambda row: bar.update(task, advance=1, description=row)
        )
    _print_report(report, out)
    for bad in report.bad:
        name = f" {bad.name!r}" if bad.name else ""
        place = f"{bad.where}{name} {bad.field}".rstrip()
        errors.print(f"{place}: {bad.reason}", style="red", markup=False, highlight=False, soft_wrap=True)
    return 1 if report.bad else 0


def _print_report(report: ImportReport, out: Console) -> None:
    table = Table("", "new", "changed", "unchanged", title=f"Imported; {len(report.bad)} rows refused")
    for kind, change in report.changes.items():
        new, changed = len(change.inserted), len(change.updated)
        table.add_row(kind, str(new), str(changed), str(report.good[kind] - new - changed))
    out.print(table)


def _print_status(catalog: Catalog, out: Console) -> None:
    out.print(f"Schema: revision {schema_revision(catalog.engine)}, newest {latest_revision()}.")
    for campaign in catalog.campaigns():
        shots = ", ".join(f"{number} {state}" for state, number in catalog.totals(campaign.name).items() if number)
        out.print(f"{campaign.name}: {shots or 'no shots yet'}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
