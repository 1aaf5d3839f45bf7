"""The main job from nothing: servers, catalog, bundle, one run, and one picture of all the pictures that came of it.
The servers keep running.

One row is bad on purpose: a product whose packshot was cut short on its way into the bucket. Its row is right, so
nothing is wrong until the picture is read: the shot fails with its reason, and no other suffers.
"""

from __future__ import annotations

import hashlib
import io
import math
import sys
import time
import tomllib
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps
from rich.console import Console

from brief.errors import LookbookError
from brief.types import ImageRef, Product
from embedded.airflow import AirflowApi
from embedded.home import PROJECT, Home, default_root, open_catalog, open_home, open_objects
from embedded.run_catalog import RunOutcome, run_catalog
from embedded.servers import Say, show_addresses, start
from storage.bucket import keys as object_keys
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.catalog.gallery import ShotFilter
from storage.catalog.records import ShotRecord
from storage.catalog.tables import ShotState
from storage.importing.import_catalog import import_catalog

SAMPLE = PROJECT / "examples" / "catalog"
SKU = "DAMAGED-1"
SHOWN_FAILURES = 5
OTHER_DAGS = ("publish_approved", "retakes", "upkeep", "campaign", "casting", "heat_maps", "webhooks")
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
    shown = make_contact_sheet(catalog, open_objects(home), sheet)
    there = counts[ShotState.PUBLISHED] + counts[ShotState.REVIEW]
    if shown < there:
        console.print(f"  the contact sheet shows {shown} of {there} pictures, the newest")
    show_addresses(home)
    if tomllib.loads((home.bundle / "bundle.toml").read_text()).get("stand_in"):
        console.print("[yellow]The bundle has random weights: the pictures prove the way, and show noise.[/yellow]")


def plant_bad_row(catalog: Catalog, objects: Objects) -> None:
    """Add the product; campaigns that take every product want it too. Again changes nothing."""
    products = catalog.products()
    model = products[min(sku for sku in products if sku != SKU)]
    whole = _mirrored(objects.get(model.packshot.key, model.packshot.sha256))
    ref = ImageRef(object_keys.packshot(_sha256(whole), ".png"), _sha256(whole))
    objects.put(ref.key, whole[: len(whole) // 2], "image/png")
    catalog.save_products([Product(SKU, model.title, model.category, ref)])


def _mirrored(packshot: bytes) -> bytes:
    """An image of its own, so that the row it is modelled on stays whole."""
    with Image.open(io.BytesIO(packshot)) as image:
        out = io.BytesIO()
        ImageOps.mirror(image.convert("RGB")).save(out, "PNG")
    return out.getvalue()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


CELL, CAPTION, GAP, COLUMNS, MOST = 192, 34, 8, 6, 60
PAPER, INK, DOUBT = "white", "black", "firebrick"


def make_contact_sheet(catalog: Catalog, objects: Objects, path: Path) -> int:
    """Write a PNG of :func:`on_contact_sheet`; returns how many it shows (0 writes nothing).

    Doubtful pictures are captioned in red.
    """
    shown = on_contact_sheet(catalog)
    if not shown:
        return 0
    shown.sort(key=lambda record: (record.shot.product.sku, record.shot.environment.name))
    sheet = _paper(len(shown))
    for index, record in enumerate(shown):
        at = (GAP + index % COLUMNS * (CELL + GAP), GAP + index // COLUMNS * (CELL + CAPTION + GAP))
        sheet.paste(_picture(objects, record), at)
        _caption(sheet, (at[0], at[1] + CELL), record)
    draft = path.with_suffix(".new")
    sheet.save(draft, "PNG")
    draft.replace(path)
    return len(shown)


def on_contact_sheet(catalog: Catalog, most: int = MOST) -> list[ShotRecord]:
    """The newest pictures; where there are more than ``most``, a third of them are such as wait for a person."""
    published, waiting = (
        catalog.find_shots(ShotFilter(state=state), limit=most).shots
        for state in (ShotState.PUBLISHED, ShotState.REVIEW)
    )
    doubtful = waiting[: max(most // 3, most - len(published))]
    return [*published[: most - len(doubtful)], *doubtful]


def _paper(pictures: int) -> Image.Image:
    columns = min(COLUMNS, pictures)
    rows = math.ceil(pictures / COLUMNS)
    return Image.new("RGB", (GAP + columns * (CELL + GAP), GAP + rows * (CELL + CAPTION + GAP)), PAPER)


def _picture(objects: Objects, record: ShotRecord) -> Image.Image:
    """The published master, else the take as it was refined, in a square cell."""
    ref = record.publication.master if record.publication else record.take.refined if record.take else None
    cell = Image.new("RGB", (CELL, CELL), PAPER)
    if ref is None:
        return cell
    with Image.open(io.BytesIO(objects.get(ref.key, ref.sha256))) as opened:
        image = opened.convert("RGB")
    scale = CELL / max(image.size)
    fitted = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    cell.paste(fitted, ((CELL - fitted.width) // 2, (CELL - fitted.height) // 2))
    return cell


def _caption(sheet: Image.Image, at: tuple[int, int], record: ShotRecord) -> None:
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    doubtful = record.state is ShotState.REVIEW
    lines = (record.shot.product.sku, record.shot.environment.name + (" · review" if doubtful else ""))
    for index, line in enumerate(lines):
        while line and draw.textlength(line, font) > CELL:
            line = line[:-1]
        draw.text((at[0], at[1] + 2 + index * 15), line, DOUBT if doubtful else INK, font)
