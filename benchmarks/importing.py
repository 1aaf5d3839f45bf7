"""Importing a long feed: rows a second, processor seconds and the most memory, at several lengths.

``python -m benchmarks importing [--rows 10000 100000 1000000]``. Each row has a title of its own; pictures
are shared by 100 files, since this measures rows, not disks. The first import is all new, the second all unchanged.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from benchmarks.results import keep, plot, table
from benchmarks.rig import rig
from brief.settings import Settings
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.importing.import_catalog import import_catalog

LENGTHS = (10_000, 100_000, 1_000_000)
PICTURES = 100


def write_feed(folder: Path, rows: int) -> None:
    """``products.csv`` with so many rows, and their pictures."""
    (folder / "images").mkdir(parents=True)
    for number in range(PICTURES):
        Image.new("RGB", (32, 32), (number, 255 - number, 90)).save(folder / "images" / f"{number}.png")
    with (folder / "products.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["sku", "title", "category", "packshot", "attributes.colour"])
        for row in range(rows):
            writer.writerow([f"SKU-{row}", f"mug number {row}", "mug", f"images/{row % PICTURES}.png", "red"])


def import_once(folder: str) -> int:
    """Import ``folder`` into what the environment names and print the figures; run in a process of its own."""
    start, before = time.monotonic(), time.process_time()
    with Catalog.at(Settings.read().needed("database_url")) as catalog:
        report = import_catalog(Path(folder), catalog, Objects.from_env())
    counts = report.counts["products"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(counts.new, counts.unchanged, report.refused, time.monotonic() - start, time.process_time() - before, peak)
    return 0


def main(arguments: list[str]) -> int:
    """Measure against PostgreSQL and an S3 server of its own."""
    parser = argparse.ArgumentParser("python -m benchmarks importing")
    parser.add_argument("--rows", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--once", help="import this folder and print the figures")
    chosen = parser.parse_args(arguments)
    if chosen.once:
        return import_once(chosen.once)
    rows = []
    for length in chosen.rows:
        with tempfile.TemporaryDirectory() as home, rig(Path(home), Path(), services=0) as servers:
            environment = {
                **os.environ,
                **servers.environment,
                "LOOKBOOK_S3_ENDPOINT": servers.objects.settings.endpoint or "",
            }
            folder = f"{home}/catalog"
            write_feed(Path(folder), length)
            for what in ("first", "again"):
                command = [sys.executable, "-m", "benchmarks", "importing", "--once", folder]
                said = subprocess.run(
                    command, check=True, capture_output=True, text=True, env=environment
                ).stdout.split()
                new, unchanged, refused = map(int, said[:3])
                seconds, cpu, peak = map(float, said[3:])
                rows.append(
                    {"rows": length, "import": what, "new": new, "unchanged": unchanged, "refused": refused,
                     "seconds": seconds, "rows/s": length / seconds, "cpu s": cpu, "peak MB": peak}
                )  # fmt: skip
                print(table(rows[-1:]), flush=True)
    keep("importing", "python -m benchmarks importing", rows)
    lines = {
        what: [(row["rows"], row["peak MB"]) for row in rows if row["import"] == what] for what in ("first", "again")
    }
    plot("importing", "Memory of an import", lines, ("rows", "peak MB"))
    print(table(rows))
    return 0
