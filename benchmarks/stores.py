"""The stores: writes with digests against plain ones, planning as it grows, a run in which nothing changed.

Wall clock and CPU seconds (ours and PostgreSQL's apart): on a busy machine only the CPU means something. Results:
``docs/measured.md``.
"""

from __future__ import annotations

import argparse
import json
import resource
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import boto3
import psutil
from sqlalchemy import text

from benchmarks import results
from benchmarks.rig import Stores, stores
from brief.face_spec import FaceSpec
from brief.plan import plan
from brief.types import BundleInfo, Campaign, Environment, Framing, ImageRef, Persona, Product
from pipeline.claims import claim_shots
from pipeline.plan import plan_run
from pipeline.run import Run, RunRequest
from service.client import GenerationClient
from storage.catalog import runs
from storage.catalog.runs import RunKey

SHOTS_PER_PRODUCT = 20
BUNDLE = BundleInfo("bench", "f" * 32, 128, 128, "Apache-2.0", commercial=True, stand_in=True)


def main(arguments: list[str]) -> int:
    """Entry point; the exit status."""
    options = argparse.ArgumentParser(prog="python -m benchmarks stores")
    options.add_argument(
        "--largest",
        type=int,
        default=160_000,
        help="shots of the largest plan (before it: 10,000 to 80,000)",
    )
    options.add_argument("--objects", type=int, default=300, help="objects that are written in each way")
    chosen = options.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="stores-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as nobody where we are root
        with stores(folder) as running:
            writes = _writes(running, chosen.objects)
            print(json.dumps(writes), flush=True)
            for size in _sizes(chosen.largest):
                rows.append(_planning(running, size))
                print(json.dumps(rows[-1]), flush=True)
    growth = {
        step: round(results.slope([(row["shots"], max(0.01, row[f"{step} CPU s"])) for row in rows]), 2)
        for step in ("made alone", "planned", "unchanged")
    }
    print(results.table([writes]), results.table(rows), f"exponents of growth (1: linear): {growth}", sep="\n\n")
    results.keep(
        "stores", f"python -m benchmarks stores --largest {chosen.largest}", rows, writes=writes, growth=growth
    )
    lines = {step: [(row["shots"], max(0.01, row[f"{step} CPU s"])) for row in rows] for step in growth}
    results.plot("stores", "Planning: CPU seconds, ours and PostgreSQL's", lines, ("shots", "seconds"))
    return 0


def _sizes(largest: int) -> Iterator[int]:
    """Doubled from 10,000 as long as that is quick, and the largest."""
    size = 10_000
    while size < min(largest, 100_000):
        yield size
        size *= 2
    yield largest


def _writes(running: Stores, count: int) -> dict[str, Any]:
    """The same bytes by ``Objects.put`` (SHA-256, verified, only if new) and by a bare ``put_object``, in turn."""
    settings = running.objects.settings
    plain = boto3.client(
        "s3",
        endpoint_url=settings.endpoint,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        region_name=settings.region,
    )
    data = secrets.token_bytes(60_000)  # a master of 128 x 128
    ours, bare = [], []
    for number in range(count):
        began = time.perf_counter()
        running.objects.put(f"with/{number}.png", data, "image/png")
        middle = time.perf_counter()
        plain.put_object(Bucket=settings.bucket, Key=f"plain/{number}.png", Body=data, ContentType="image/png")
        ours.append(middle - began)
        bare.append(time.perf_counter() - middle)
    ratios = sorted(plain_s / ours_s for plain_s, ours_s in zip(bare, ours, strict=True))
    return {
        "objects": count,
        "ms with digests": round(1000 * statistics.median(ours), 2),
        "ms plain": round(1000 * statistics.median(bare), 2),
        "speed (plain = 1), by medians": round(statistics.median(bare) / statistics.median(ours), 2),
        "middle half of the ratios": f"{ratios[count // 4]:.2f} to {ratios[3 * count // 4]:.2f}",
    }


def _planning(running: Stores, shots: int) -> dict[str, Any]:
    """A campaign of so many shots: made alone; planned, recorded and claimed as a run's first task does; all published
    and planned again by another run."""
    catalog, name = running.catalog, f"of-{shots}"
    products = {f"{name}-{n}": _product(f"{name}-{n}", n) for n in range(shots // SHOTS_PER_PRODUCT)}
    places = {
        f"place {n}": Environment(f"place {n}", f"at place {n}", ImageRef(f"{n}.png", f"{n:064x}")) for n in range(10)
    }
    people = {f"person {n}": Persona(f"person {n}", FaceSpec(age_band="adult"), n) for n in range(2)}
    wanted = Campaign(name, name, tuple(products), tuple(places), tuple(people), (Framing.HELD,))
    catalog.save_products(products.values())
    catalog.save_environments(places.values())
    catalog.save_personas(people.values())
    catalog.save_campaigns([wanted])
    row: dict[str, Any] = {"shots": shots}
    with _timed(running, row, "made alone"):
        assert sum(1 for _ in plan(wanted, products, places, people, BUNDLE)) == shots
    del products
    with _timed(running, row, "planned"):
        assert _claimed(running, name, "first") == shots
    with catalog.begin() as session:
        session.execute(text("UPDATE shot SET state = 'published' WHERE campaign = :name"), {"name": name})
        runs.end_run(session, RunKey(name, "first"))
    with _timed(running, row, "unchanged"):
        assert _claimed(running, name, "again") == 0
    row["peak MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return row


def _claimed(running: Stores, campaign: str, run_id: str) -> int:
    """What a run's task ``plan`` does; returns how many shots the run makes."""
    run = Run(running.catalog, running.objects, cast("GenerationClient", _Service()), RunKey(campaign, run_id))
    asked = plan_run(run, RunRequest([campaign]))
    return sum(len(shard.keys) for shard in claim_shots(run, asked, {}, lambda _: True))


class _Service:
    """As much of a generation service as planning asks."""

    count = 1

    def bundle(self) -> BundleInfo:
        return BUNDLE


def _product(sku: str, number: int) -> Product:
    return Product(sku, f"red mug {number}", "mug", ImageRef(f"{sku}.png", f"{number:064x}"))


@contextmanager
def _timed(running: Stores, row: dict[str, Any], step: str) -> Iterator[None]:
    wall, ours, theirs = time.monotonic(), time.process_time(), _cpu_of(running.postgres)
    yield
    row[f"{step} s"] = round(time.monotonic() - wall, 1)
    row[f"{step} CPU s"] = round(time.process_time() - ours + _cpu_of(running.postgres) - theirs, 2)


def _cpu_of(pid: int) -> float:
    """CPU seconds of a server and of the children that it has now: our session is one of them."""
    total = 0.0
    server = psutil.Process(pid)
    for process in (server, *server.children(recursive=True)):
        times = process.cpu_times()
        total += times.user + times.system
    return total
