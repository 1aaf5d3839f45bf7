"""What a shot costs each part, and what that means for many shots on many GPUs: a model, and the run it rests on.

The run is real but for the pictures: rows, keys, jobs, objects, digests and publishing, with a clock in place of the
models and without Airflow. CPU seconds are counted for each part, so a busy machine hardly changes them::

    python -m benchmarks scale --shots 64 --gpu-seconds 4

The model multiplies; it knows no interference between parts. What it assumes is printed with it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from benchmarks import results
from benchmarks.faults import stand_in
from benchmarks.rig import TIMED, Rig, put_rows, rig, until
from benchmarks.shards import delivered, planned
from pipeline.plan import MOST_SHARDS, usual_shard_size

STAGES_OF_A_SHARD = 6
TASK_SECONDS = 1.9
"""CPU seconds by which a task of Airflow begins and ends (its processes and imports), its share of the scheduler and
little work included: 28 for 15 tasks of one run (``results/orchestration.json``)."""
SIZES, GPUS = (10_000, 1_000_000, 100_000_000), (1, 8, 64)
SHARD = 32


def main(arguments: list[str]) -> int:
    """Entry point; the exit status."""
    options = argparse.ArgumentParser(prog="python -m benchmarks scale")
    options.add_argument("--shots", type=int, default=64)
    options.add_argument("--gpu-seconds", type=float, default=4.0, help="of a GPU for one shot, all stages and retakes")
    chosen = options.parse_args(arguments)
    os.environ["LOOKBOOK_TIMED_SECONDS"] = "face=0.01,compose=0.01,refine=0.01,score=0.01"
    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as nobody where we are root
        with rig(folder, stand_in(folder / "bundle"), application=TIMED, batch=8) as running:
            cost = _cost(running, chosen.shots)
    rows = [_modelled(shots, gpus, cost, chosen.gpu_seconds) for shots in SIZES for gpus in GPUS]
    print(json.dumps(cost), results.table(rows), sep="\n")
    command = f"python -m benchmarks scale --shots {chosen.shots} --gpu-seconds {chosen.gpu_seconds}"
    results.keep("scale", command, rows, measured_per_shot=cost, cpu_seconds_of_a_task=TASK_SECONDS)
    return 0


def _cost(running: Rig, shots: int) -> dict[str, float]:
    """CPU seconds, rows and bytes that one shot cost, from its plan to its publication."""
    put_rows(running.catalog, running.objects, "scale", shots // 2, 2, max_takes=1)
    before, began = _used(running), time.monotonic()
    ours = resource.getrusage(resource.RUSAGE_CHILDREN)
    shards = planned(running, "scale", "scale-1", (), size=SHARD)
    with delivered(running, shards, "publish", (), {}) as deliveries:
        until(lambda: all(each.over for each in deliveries), "all shards are made", 3000)
    assert not any(each.failed for each in deliveries), "see the shards' logs"
    after, theirs = _used(running), resource.getrusage(resource.RUSAGE_CHILDREN)
    tasks = theirs.ru_utime + theirs.ru_stime - ours.ru_utime - ours.ru_stime
    objects = sum(1 for _ in running.objects.list_keys("")) - 3
    return {
        "shots": shots,
        "wall s": round(time.monotonic() - began, 1),
        **{f"{part} CPU ms": round(1000 * (after[part] - before[part]) / shots, 1) for part in after},
        "tasks CPU ms": round(1000 * tasks / shots, 1),
        "objects": round(objects / shots, 2),
    }


def _used(running: Rig) -> dict[str, float]:
    """CPU seconds of each server so far; of PostgreSQL with the sessions that it has now."""
    used = {}
    for name, server in running.servers.items():
        assert server.process is not None
        process = psutil.Process(server.process.pid)
        times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
        ended = process.cpu_times()
        used[name] = sum(each.user + each.system for each in times) + ended.children_user + ended.children_system
    return used


def _modelled(shots: int, gpus: int, cost: Mapping[str, float], gpu_seconds: float) -> dict[str, Any]:
    """Hours that each part would need alone; the longest is what breaks first."""
    shard = max(usual_shard_size(shots, gpus), -(-shots // MOST_SHARDS))
    runs = max(1, shots // 1_000_000)  # a run of more is several campaigns
    tasks = runs * min(MOST_SHARDS, -(-shots // runs // shard)) * STAGES_OF_A_SHARD
    hours = {
        "GPUs": shots * gpu_seconds / gpus / 3600,
        "services (a core each)": shots * cost["service-1 CPU ms"] / 1000 / gpus / 3600,
        "S3 (one core)": shots * cost["s3 CPU ms"] / 1000 / 3600,
        "PostgreSQL (one core)": shots * cost["postgres CPU ms"] / 1000 / 3600,
        "Airflow's tasks (8 cores)": (shots * cost["tasks CPU ms"] / 1000 + tasks * TASK_SECONDS) / 8 / 3600,
    }
    slowest = max(hours, key=lambda part: hours[part])
    return {
        "shots": shots,
        "GPUs": gpus,
        "shots a shard": shard if runs == 1 else -(-1_000_000 // MOST_SHARDS),
        **{f"h {part}": round(value, 2) for part, value in hours.items()},
        "objects": round(shots * cost["objects"]),
        "what bounds it": slowest,
    }
