"""The main job from nothing: servers, catalog, bundle, one run, and what came of it. The servers keep running."""

from __future__ import annotations

import sys
import time
import tomllib

from rich.console import Console

from brief.errors import LookbookError
from embedded.airflow import AirflowApi
from embedded.home import PROJECT, Home, default_root, open_catalog, open_home, open_objects
from embedded.run_catalog import RunOutcome, run_catalog
from embedded.sample import SKU, make_contact_sheet, plant_bad_row
from embedded.start import Say, start
from embedded.status import show_addresses
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.catalog.gallery import ShotFilter
from storage.catalog.tables import ShotState
from storage.importing.import_catalog import import_catalog

SAMPLE = PROJECT / "examples" / "catalog"
SHOWN_FAILURES = 5
OTHER_DAGS = ("publish_approved", "retakes", "upkeep", "campaign", "casting")
"""What a person who looks around after the demo will want to work: approving a review, starting a campaign."""


def demo() -> int:
    """Entry point; the exit status."""
    console = Console()
    began = time.monotonic()

    def say(line: str) -> None:
        console.print(f"{time.monotonic() - began:6.1f} s  {line}", highlight=False, markup=False, soft_wrap=True)

    try:
        say("starting the servers (PostgreSQL, S3, Airflow, generation service)")
        home = start(open_home(default_root()), say)
        catalog = open_catalog(home)
        load_sample(catalog, open_objects(home), say)
        say("running the catalog DAG")
        outcome = run_catalog(home, catalog, console)
        _report(home, catalog, outcome, console)
        with AirflowApi(home) as airflow:
            for dag in OTHER_DAGS:
                airflow.unpause(dag)
    except KeyboardInterrupt:
        print(
            "\nInterrupted. The servers and a run in Airflow go on: `make stop` ends them, `make demo` takes up again."
        )
        return 130
    except LookbookError as error:
        console.print(f"[red]{error}[/red]", highlight=False, soft_wrap=True, markup=False)
        print("`make status` shows what runs, `make stop` ends it; then just try again.", file=sys.stderr)
        return 1
    say("done")
    return 0


def load_sample(catalog: Catalog, objects: Objects, say: Say) -> None:
    """Import the sample and plant the bad row into a catalog without campaigns; any other belongs to its user."""
    if catalog.campaigns():
        say(f"catalog: {len(catalog.products())} products are there and stay as they are; the sample is not imported")
        return
    report = import_catalog(SAMPLE, catalog, objects)
    for bad in report.bad:
        say(f"not imported: {bad.where} {bad.name}: {bad.field}: {bad.reason}")
    plant_bad_row(catalog, objects)
    loaded = report.counts["products"].good
    say(f"catalog: {loaded} products; and {SKU}, whose packshot was cut short, to show a bad row")


def _report(home: Home, catalog: Catalog, outcome: RunOutcome, console: Console) -> None:
    counts = outcome.after
    if outcome.made:
        console.print(f"\n[bold]{outcome.made} shots made[/bold] in {outcome.seconds / 60:.1f} min. In all:")
    else:
        console.print("\n[bold]Nothing new[/bold]: every shot has its picture or its answer. In all:")
    console.print(
        f"  accepted {counts[ShotState.PUBLISHED]}   review {counts[ShotState.REVIEW]}"
        f"   rejected {counts[ShotState.REJECTED]}   failed {counts[ShotState.FAILED]}"
    )
    for record in catalog.find_shots(ShotFilter(state=ShotState.FAILED), limit=SHOWN_FAILURES).shots:
        line = f"  failed: {record.shot.product.sku}: {record.reason}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    sheet = home.root / "contact-sheet.png"
    make_contact_sheet(catalog, open_objects(home), sheet)
    show_addresses(home)
    if tomllib.loads((home.bundle / "bundle.toml").read_text()).get("stand_in"):
        console.print("[yellow]The bundle has random weights: the pictures prove the way, and show noise.[/yellow]")
