"""A task of a run in a process of its own, as Airflow starts them, for measurements that do without Airflow::

python -m benchmarks.task plan CAMPAIGN RUN SHARD_SIZE      prints the shards as JSON
python -m benchmarks.task shard RUN LAST_STAGE KEY...       prints each stage as it begins
"""

from __future__ import annotations

import json
import logging
import os
import select
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, SupportsIndex

from pipeline import stages
from pipeline.claims import claim_shots
from pipeline.plan import plan_run
from pipeline.run import Run, RunRequest, open_catalog, open_objects, open_service
from pipeline.settle import settle
from storage.catalog.runs import RunKey

DAG = "faults"
STAGES: dict[str, Callable[[Run, Sequence[str]], Any]] = {
    "face": stages.face,
    "compose": stages.compose,
    "refine": stages.refine,
    "score": stages.score,
    "retake": stages.retake,
    "publish": settle,
}


def main(arguments: list[str]) -> int:
    """Entry point; the exit status. Errors leave it with a trace, as they leave a task."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    if "FAKETIME_TIMESTAMP_FILE" in os.environ:
        # libfaketime takes a moved clock for the one that Python's sleep goes by, and the sleep is refused.
        time.sleep = _sleep
    what, *rest = arguments
    if what == "plan":
        campaign, name, size = rest
        run = opened(name)
        planned = plan_run(run, RunRequest([campaign]))
        shards = claim_shots(run, planned, {"campaign": campaign}, lambda _: True, shard_size=int(size))
        print(json.dumps([asdict(shard) for shard in shards]), flush=True)
        return 0
    name, last, *keys = rest
    run = opened(name)
    for stage, work in STAGES.items():
        print(stage, flush=True)
        keys = work(run, keys)
        if stage == last:
            break
    return 0


def _sleep(seconds: SupportsIndex | float) -> None:
    select.select([], [], [], float(seconds))


def opened(run: str) -> Run:
    """Connections by the environment's variables."""
    return Run(open_catalog(None), open_objects(None), open_service(None), RunKey(DAG, run))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
