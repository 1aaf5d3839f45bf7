"""What Airflow costs a run, by the size of its shards: the whole embedded set-up with a clock in place of the models.

For each size a campaign of as many shots goes through DAG ``campaign``. Of its wall clock (as Airflow says), the
seconds that the clock stood for the models are work; the rest is orchestration, storage and publishing. The service is
idle in the part of the time between its first job and its last in which no model would have worked. CPU seconds are
those of every part, of tasks that ended too, so that a busy machine changes them little::

    python -m benchmarks orchestration --shots 1000 --sizes 32,100,250
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks import results
from benchmarks.airflow_rounds import BASE
from benchmarks.faults import stand_in
from benchmarks.rig import ROOT, TIMED, put_rows, until
from benchmarks.timed_service import VARIABLE
from embedded.airflow import ENDED, AirflowApi
from embedded.home import Home, open_catalog, open_home, open_objects
from embedded.parts import part
from embedded.servers import start
from embedded.supervision import states, stop, stop_parts
from storage.catalog.catalog import Catalog
from storage.catalog.tables import ShotState

H100_SHOT = "face=0.15,compose=0.09,refine=0.04,score=0.02"
"""Seconds of a GPU that were chosen, not measured: 0.15 a shot, as Stable Diffusion 1.5 at 512² on a large one."""
DAG, PLACES, TASKS_OF_A_SHARD, HUNG_SECONDS = "campaign", 20, 6, 900.0


def main(arguments: list[str]) -> int:
    """Entry point; the exit status."""
    options = argparse.ArgumentParser(prog="python -m benchmarks orchestration")
    options.add_argument("--shots", type=int, default=1000)
    options.add_argument("--sizes", default="32,100,250", help="shots of a shard, one run each")
    options.add_argument(
        "--seconds", default=H100_SHOT, help=f"of the clock for an item, by stage (default {H100_SHOT})"
    )
    options.add_argument("--keep", default="orchestration", help="name of the results")
    chosen = options.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="runs-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as nobody where we are root
        with _set_up(folder, chosen.seconds) as timed:
            for size in map(int, chosen.sizes.split(",")):
                rows.append(_run(timed, chosen.shots, size))
                print(json.dumps(rows[-1]), flush=True)
    task_seconds, shot_seconds = _per_task(rows)
    print(results.table(rows), f"CPU s of Airflow: {task_seconds} a task, {shot_seconds} a shot", sep="\n")
    command = f"python -m benchmarks orchestration --shots {chosen.shots} --sizes {chosen.sizes}"
    results.keep(
        chosen.keep,
        f"{command} --seconds {chosen.seconds}",
        rows,
        seconds_of_the_clock=chosen.seconds,
        task_cpu_seconds=task_seconds,
        shot_cpu_seconds=shot_seconds,
    )
    if len(rows) > 1:
        shares = {"not models, % of the run": [(row["shots a shard"], row["not models %"]) for row in rows]}
        results.plot(chosen.keep, "A run's time that is not the models'", shares, ("shots a shard", "per cent"))
    return 0


@dataclass(frozen=True)
class _Timed:
    """A set-up whose service is ours."""

    home: Home
    service: subprocess.Popen[bytes]
    log: Path
    seconds: Mapping[str, float]


@contextmanager
def _set_up(folder: Path, seconds: str) -> Iterator[_Timed]:
    """A set-up of its own, with the timed service at the address of the one that ships."""
    os.environ["LOOKBOOK_BUNDLE"] = str(stand_in(folder / "bundle"))
    root = folder / "home"
    root.mkdir(mode=0o700)
    (root / "ports.json").write_text(json.dumps(asdict(BASE)))
    home = open_home(root)
    log = folder / "service.log"
    try:
        home = start(home, lambda line: print(line, flush=True))
        stop_parts(home, ["service"])
        until(lambda: states(home)["service"].state == "STOPPED", "the service ends")
        shipped = part(home, "service")
        command = [sys.executable, *shipped.command[1:]]
        command[command.index("service.app:create_app")] = TIMED
        environment = {**os.environ, **shipped.environment, VARIABLE: seconds}
        with log.open("wb") as said:
            service = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=said, stderr=said)
        try:
            until(shipped.answers, f"the timed service answers, see {log}")
            with AirflowApi(home) as airflow:
                airflow.set_pool("gpu", 2, "Jobs that wait at the generation service")
                airflow.wait_for_dag(DAG)
            pairs = (each.split("=") for each in seconds.split(","))
            yield _Timed(home, service, log, {stage: float(value) for stage, value in pairs})
        finally:
            service.terminate()
            service.wait(60)
    finally:
        stop(home)


def _run(timed: _Timed, shots: int, size: int) -> dict[str, Any]:
    name = f"of-{shots}-by-{size}"
    with open_catalog(timed.home) as catalog, AirflowApi(timed.home) as airflow:
        put_rows(catalog, open_objects(timed.home), name, shots // PLACES, PLACES, max_takes=1, thresholds={})
        before, said_before = _cpu(timed), timed.log.stat().st_size
        run = airflow.trigger(DAG, {"campaign": name, "shard_size": size})
        until(
            lambda: time.sleep(1) or airflow.run_state(DAG, run) in ENDED,  # type: ignore[func-returns-value]
            f"run {run} ends",
            HUNG_SECONDS,
            lambda: _moved(catalog, name),
        )
        wall = airflow.run_seconds(DAG, run)
        totals = catalog.totals(name)
    spent = {each: value - before[each] for each, value in _cpu(timed).items()}
    jobs = list(_jobs(timed.log, said_before))
    models = sum(timed.seconds[stage] * items for stage, items, _, _ in jobs)
    first, last = min(began for _, _, began, _ in jobs), max(ended for _, _, _, ended in jobs)
    return {
        "shots": shots,
        "shots a shard": size,
        "published": totals[ShotState.PUBLISHED],
        "not published": shots - totals[ShotState.PUBLISHED],
        "wall s": round(wall),
        "models s": round(models),
        "not models %": round(100 * (wall - models) / wall, 1),
        "service idle %": round(100 * (1 - models / (last - first)), 1),
        "jobs": len(jobs),
        **{f"{each} CPU ms a shot": round(1000 * value / shots) for each, value in spent.items()},
        "load": round(os.getloadavg()[0], 1),
    }


def _per_task(rows: Sequence[Mapping[str, Any]]) -> tuple[float | None, float | None]:
    """CPU seconds of Airflow and its tasks that a task costs by being one, and what is done in it for a shot: the line
    through runs whose shards differ."""
    if len(rows) < 2:
        return None, None
    tasks = [TASKS_OF_A_SHARD / row["shots a shard"] for row in rows]
    spent = [(row["scheduler and tasks CPU ms a shot"] + row["rest of Airflow CPU ms a shot"]) / 1000 for row in rows]
    fitted = statistics.linear_regression(tasks, spent)
    return round(fitted.slope, 2), round(fitted.intercept, 3)


def _moved(catalog: Catalog, campaign: str) -> object:
    return catalog.progress(campaign), catalog.totals(campaign)


def _jobs(log: Path, start: int) -> Iterator[tuple[str, int, float, float]]:
    """Stage, items, begin and end (seconds since 1970) of each job that the service's log tells of after ``start``."""
    with log.open("rb") as lines:
        lines.seek(start)
        for line in lines:
            if b'"message": "job ' in line and b'"items"' in line:
                said = json.loads(line)
                ended = datetime.fromisoformat(said["time"]).timestamp()
                yield said["stage"], said["done"], ended - said["seconds"], ended


def _cpu(timed: _Timed) -> dict[str, float]:
    """CPU seconds so far by part, children that ended and were waited for included; tasks are the scheduler's."""
    roots = {name: each.pid for name, each in states(timed.home).items() if each.pid}
    found = {name: _tree(pid) for name, pid in {**roots, "service": timed.service.pid}.items()}
    stores = {"PostgreSQL": found.pop("postgres"), "S3": found.pop("s3"), "service": found.pop("service")}
    return {**stores, "scheduler and tasks": found.pop("airflow-scheduler"), "rest of Airflow": sum(found.values())}


def _tree(pid: int) -> float:
    total = 0.0
    with suppress(psutil.Error):
        top = psutil.Process(pid)
        for process in (top, *top.children(recursive=True)):
            with suppress(psutil.Error):
                total += sum(process.cpu_times()[:4])  # user, system, and those of ended children
    return total
