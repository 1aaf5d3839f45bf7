"""Two generation services and one list of jobs: how evenly they work, and what the death of one costs.

The way that ships: each caller asks the services and chooses (:mod:`service.client`). The same work as in
``benchmarks/service_prototypes.py``, which has the two ways that were not taken. Results: ``benchmarks/services.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import results
from benchmarks.faults import stand_in
from benchmarks.rig import TIMED, Rig, rig
from brief.face_spec import FaceSpec
from brief.recipe import portrait_key
from brief.types import Persona
from pipeline.stage_job import run_stage
from service.client import GenerationClient
from service.protocol import ItemResult, Stage

JOBS, ITEMS, SECONDS = 40, 8, 0.05


def main(arguments: list[str]) -> int:
    """Entry point; the exit status."""
    argparse.ArgumentParser(prog="python -m benchmarks services").parse_args(arguments)
    os.environ["LOOKBOOK_TIMED_SECONDS"] = f"face={SECONDS}"
    rows = []
    with tempfile.TemporaryDirectory(prefix="services-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as nobody where we are root
        with rig(folder, stand_in(folder / "bundle"), services=2, application=TIMED, batch=1) as running:
            for kill in (False, True):
                rows.append(_measure(running, kill=kill))
                print(json.dumps(rows[-1]), flush=True)
    print(results.table(rows))
    results.keep("services", "python -m benchmarks services", rows)
    return 0


def _measure(running: Rig, *, kill: bool) -> dict[str, object]:
    """All jobs at once, each followed by a caller of its own, as tasks of Airflow do."""
    url, token = running.environment["LOOKBOOK_SERVICE_URL"], running.environment["LOOKBOOK_SERVICE_TOKEN"]
    with GenerationClient(url, token) as client:
        bundle = client.bundle().fingerprint
    done: list[str] = []
    before = _made(running)

    def record(result: ItemResult) -> None:
        done.append(result.key)
        if kill and len(done) == JOBS * ITEMS // 3:
            threading.Thread(target=running.servers["service-1"].kill).start()

    def follow(job: int) -> None:
        seeds = (job * ITEMS + item + kill * 100_000 for item in range(ITEMS))
        people = [Persona(f"person {seed}", FaceSpec(age_band="adult"), seed) for seed in seeds]
        items = {portrait_key(each, bundle): each for each in people}
        asked = {key: {"portrait_key": key, "persona": persona} for key, persona in items.items()}
        with GenerationClient(url, token) as client:
            run_stage(client, f"job {job}", Stage.FACE, asked, record)

    started = time.monotonic()
    with ThreadPoolExecutor(JOBS) as callers:
        list(callers.map(follow, range(JOBS)))
    wall = time.monotonic() - started
    made = _made(running) - before
    share = Counter(server for server, _ in made.elements())
    return {
        "way": "callers choose",
        "what": "one killed" if kill else "undisturbed",
        "items": len(set(done)),
        "made twice": sum(made.values()) - len({key for _, key in made}),
        "s": round(wall, 1),
        "ideal s": JOBS * ITEMS * SECONDS / 2,
        "by the first": share["service-1"],
        "by the second": share["service-2"],
    }


def _made(running: Rig) -> Counter[tuple[str, str]]:
    """Portraits by service and key, as often as a service said that it made them."""
    found: Counter[tuple[str, str]] = Counter()
    for log in running.service_logs:
        for line in log.read_text(errors="replace").splitlines():
            if '"item made"' in line and line.startswith("{"):
                found[log.stem, json.loads(line)["key"]] += 1
    return found
