"""Fault rounds on the whole embedded set-up: Airflow's parts are killed under a run of DAG ``campaign``."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import psutil

from benchmarks.after_round import Lost, orphans_of, problems_of, takes_made
from benchmarks.outcome import Fault, Outcome
from benchmarks.rig import put_rows, until
from embedded.airflow import ENDED, AirflowApi, AirflowError
from embedded.home import Home, Ports, open_catalog, open_home, open_objects
from embedded.servers import start
from embedded.supervision import states, stop
from storage.catalog.catalog import Catalog
from storage.catalog.errors import CatalogError

T = TypeVar("T")
DAG = "campaign"
PARTS = (
    "airflow-scheduler",
    "airflow-triggerer",
    "airflow-dag-processor",
    "airflow-api",
    "task",
    "service",
    "s3",
    "postgres",
)
BASE = Ports(38080, 38333, 38500, 35433, 39801, 36333, 36380, 36888, 36946)
"""Far from those of a demo and of the tests."""
HUNG_SECONDS = 600.0
"""A run in which no shot moves for so long counts as hung."""


def airflow_faults(seed: int, count: int) -> list[Fault]:
    """Each part in turn, killed some seconds into the run."""
    drawn = random.Random(seed)  # noqa: S311
    return [Fault("kill", PARTS[number % len(PARTS)], f"{drawn.uniform(4, 25):.0f} s") for number in range(count)]


def airflow_rounds(folder: Path, bundle: Path, faults: list[Fault], first: int) -> Iterator[Outcome]:
    """A set-up of its own below ``folder``; an outcome for each fault."""
    os.environ["LOOKBOOK_BUNDLE"] = str(bundle)
    folder.mkdir(mode=0o700)
    (folder / "ports.json").write_text(json.dumps(asdict(BASE)))
    home = open_home(folder)
    try:
        home = start(home, lambda line: print(line, flush=True))
        _steady(lambda: _prepare(home))
        for number, fault in enumerate(faults, first):
            yield _round(home, number, fault)
    finally:
        stop(home)


def _prepare(home: Home) -> None:
    with AirflowApi(home) as airflow:
        airflow.set_pool("gpu", 2, "Jobs that wait at the generation service")
        airflow.wait_for_dag(DAG)


def _round(home: Home, number: int, fault: Fault) -> Outcome:
    outcome, name, began = Outcome(number, fault), f"airflow-{number}", time.monotonic()
    with open_catalog(home) as catalog:
        objects = open_objects(home)
        put_rows(catalog, objects, name, 3, 2, max_takes=2, seed=number)
        run = _steady(lambda: _trigger(home, name))
        time.sleep(float(fault.stage.split()[0]))
        struck = time.monotonic()
        _kill(home, fault.target)
        try:
            _until_ended(home, run, catalog, name)
            if _steady(lambda: _state(home, run)) == "failed":
                outcome.nights += 1
                again = _steady(lambda: _trigger(home, name))
                _until_ended(home, again, catalog, name)
        except TimeoutError as error:
            outcome.problems.append(f"hung: {error}")
        ended = time.monotonic()
        outcome.seconds, outcome.after = ended - began, ended - struck
        totals = catalog.totals(name)
        outcome.states = {state.value: count for state, count in totals.items() if count}
        outcome.takes = takes_made(catalog, name)
        logs = [home.logs / "service.log"]
        outcome.problems += problems_of(catalog, objects, name, logs, [home.service_url], Lost())
        outcome.problems += orphans_of(home.root)
    return outcome


def _until_ended(home: Home, run: str, catalog: Catalog, campaign: str) -> None:
    def ended() -> bool:
        time.sleep(1)
        return _steady(lambda: _state(home, run)) in ENDED

    def moved() -> object:
        try:
            return catalog.progress(campaign), catalog.totals(campaign)
        except CatalogError:  # its database is what was killed
            return time.monotonic()

    until(ended, f"run {run} ends", HUNG_SECONDS, moved)


def _trigger(home: Home, campaign: str) -> str:
    with AirflowApi(home) as airflow:
        return airflow.trigger(DAG, {"campaign": campaign, "shard_size": 3})


def _state(home: Home, run: str) -> str:
    with AirflowApi(home) as airflow:
        return airflow.run_state(DAG, run)


def _steady(ask: Callable[[], T]) -> T:
    """Ask Airflow again while the part that would answer is being started again."""
    deadline = time.monotonic() + 300
    while True:
        try:
            return ask()
        except AirflowError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def _kill(home: Home, part: str) -> None:
    known = states(home)
    if part != "task":
        os.kill(known[part].pid, signal.SIGKILL)
        return
    until(lambda: _tasks(known["airflow-scheduler"].pid), "a task runs", 120)
    _tasks(known["airflow-scheduler"].pid)[0].kill()


def _tasks(scheduler: int) -> list[psutil.Process]:
    """Processes in which tasks run: children of the scheduler's workers."""
    try:
        workers = psutil.Process(scheduler).children()
        return [child for worker in workers for child in worker.children()]
    except psutil.Error:
        return []
