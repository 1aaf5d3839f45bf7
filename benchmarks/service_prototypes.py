# /// script
# requires-python = ">=3.11"
# dependencies = ["ray[serve]==2.60.0", "procrastinate==3.10.0", "psycopg[binary]==3.3.9", "httpx==0.28.1"]
# ///
"""Who hands out jobs to two services? Prototypes of the two ways that were not taken, for ``benchmarks/services.md``.

They need packages that Lookbook does not, so they run in a virtual environment of their own, from here::

    python -m benchmarks.service_prototypes queue postgresql://user:password@host/database
    python -m benchmarks.service_prototypes ray

The same work for each: jobs of eight items, each a pause of 50 ms, on two workers; once undisturbed, once with one of
them killed a third into it. The way that was taken: ``python -m benchmarks services``.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

JOBS, ITEMS, SECONDS = 40, 8, 0.05
LEDGER = "LOOKBOOK_LEDGER"
"""Environment variable: the file in which each worker writes a line for each item that it made."""


def make(job: int) -> None:
    """What a service does with a job, and says of each item."""
    with Path(os.environ[LEDGER]).open("a") as ledger:
        for item in range(ITEMS):
            time.sleep(SECONDS)
            ledger.write(f"{job}.{item} {os.getpid()}\n")
            ledger.flush()


def made() -> Counter[str]:
    """How often each item was made."""
    return Counter(line.split()[0] for line in Path(os.environ[LEDGER]).read_text().splitlines())


def report(way: str, what: str, started: float, **more: object) -> None:
    """One line of JSON."""
    counts, wall = made(), time.monotonic() - started
    twice = sum(times - 1 for times in counts.values())
    ideal = JOBS * ITEMS * SECONDS / 2
    figures = {"items": len(counts), "made twice": twice, "s": round(wall, 1), "ideal s": round(ideal, 1)}
    print(json.dumps({"way": way, "what": what, **figures, **more}), flush=True)


def killing(pids: list[int]) -> threading.Thread:
    """Kill one of the workers once a third is made."""

    def wait_and_kill() -> None:
        while sum(made().values()) < JOBS * ITEMS / 3:
            time.sleep(0.02)
        os.kill(pids[0], signal.SIGKILL)

    thread = threading.Thread(target=wait_and_kill)
    thread.start()
    return thread


def queue_app(url: str) -> Any:
    """The queue: its table is PostgreSQL's, a job is given to one worker and kept until it is done."""
    import procrastinate

    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))
    app.task(name="make", queue="gpu")(make)
    return app


def worker(url: str) -> None:
    """One worker, as each GPU would have it."""

    async def work() -> None:
        app = queue_app(url)
        async with app.open_async():
            await app.run_worker_async(
                queues=["gpu"], concurrency=1, update_heartbeat_interval=2, stalled_worker_timeout=6
            )

    asyncio.run(work())


async def queue(url: str, *, kill: bool) -> None:
    """All jobs at once; a worker that dies is started again after a second, as a supervisor does."""
    import procrastinate

    app = queue_app(url)
    command = [sys.executable, "-m", "benchmarks.service_prototypes", "worker", url]
    workers = [subprocess.Popen(command) for _ in range(2)]
    await asyncio.sleep(5)
    async with app.open_async():
        started = time.monotonic()
        ids = [await app.configure_task("make", queue="gpu").defer_async(job=job) for job in range(JOBS)]
        killer = killing([workers[0].pid]) if kill else None
        stalled = 0
        while True:
            status = [await app.job_manager.get_job_status_async(each) for each in ids]
            if all(each is procrastinate.jobs.Status.SUCCEEDED for each in status):
                break
            for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=6):
                stalled += 1
                await app.job_manager.retry_job(job)
            if workers[0].poll() is not None:
                workers[0] = subprocess.Popen(command)
            await asyncio.sleep(0.2)
        report("queue in PostgreSQL", "one killed" if kill else "undisturbed", started, given_again=stalled)
        if killer:
            killer.join()
    for each in workers:
        each.kill()
        each.wait()


def ray(*, kill: bool) -> None:
    """Two replicas behind Serve's HTTP port; a caller asks again when its request fails."""
    import ray as cluster
    from ray import serve

    began = time.monotonic()
    pids = _serve_two()
    up = time.monotonic() - began
    again = Counter[str]()

    def ask(job: int) -> None:
        while not httpx.get("http://127.0.0.1:8000/", params={"job": job}, timeout=300).is_success:
            again["requests"] += 1
            time.sleep(0.2)

    started = time.monotonic()
    killer = killing(sorted(pids)) if kill else None
    with ThreadPoolExecutor(JOBS) as callers:
        list(callers.map(ask, range(JOBS)))
    report(
        "Ray Serve",
        "one killed" if kill else "undisturbed",
        started,
        up_s=round(up, 1),
        asked_again=again["requests"],
        mib=_memory(),
    )
    if killer:
        killer.join()
    serve.shutdown()
    cluster.shutdown()


def _serve_two() -> set[int]:
    """Start Ray and two replicas; returns their process ids."""
    import ray as cluster
    from ray import serve

    class Service:
        def __call__(self, request: Any) -> int:
            if "job" in request.query_params:
                make(int(request.query_params["job"]))
            return os.getpid()

    cluster.init(num_cpus=2, include_dashboard=False, runtime_env={"env_vars": {LEDGER: os.environ[LEDGER]}})
    replicas = {"num_replicas": 2, "max_ongoing_requests": 1, "ray_actor_options": {"num_cpus": 0.5}}
    serve.run(serve.deployment(Service, **replicas).bind(), route_prefix="/")
    pids: set[int] = set()
    while len(pids) < 2:
        pids.add(int(httpx.get("http://127.0.0.1:8000/", timeout=60).text))
    return pids


def _memory() -> int:
    """MiB of proportional memory of everything that Ray started."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"ray" in (process / "cmdline").read_bytes():
                rollup = (process / "smaps_rollup").read_text()
                total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue
    return total // 1024


def main(arguments: list[str]) -> int:
    """Entry point; the exit status."""
    if arguments[:1] == ["worker"]:
        worker(arguments[1])
        return 0
    for kill in (False, True):
        with tempfile.NamedTemporaryFile(prefix="ledger-") as ledger:
            os.environ[LEDGER] = ledger.name
            if arguments[0] == "ray":
                ray(kill=kill)
            else:
                asyncio.run(queue(arguments[1], kill=kill))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
