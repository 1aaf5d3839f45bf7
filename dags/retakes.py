"""As soon as a person asks for another take: make it, and show it to a person."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import dag, task
from lookbook_run import asset_or_hourly, open_run
from lookbook_runs import WEIGHTS
from shoot import DEFAULT_ARGS, Shard, claimed, finish

from pipeline.airflow_assets import RETAKES


@dag(
    schedule=asset_or_hourly(RETAKES, minute=40),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={**DEFAULT_ARGS, "priority_weight": WEIGHTS["urgent"]},
    tags=["lookbook", "review"],
    description="At once when a person asks for another take: make it",
)
def retakes() -> None:
    """### Retakes
    Makes the takes that people asked for under *Reviews* or on a shot's page, with the words and strengths that they
    gave. Each waits for a person afterwards, whatever its scores. Each request updates the asset
    `lookbook://catalog/retakes`, which starts a run within seconds; once an hour a run looks for what was missed.
    """

    @task(task_id="plan", execution_timeout=timedelta(minutes=30))
    def plan() -> list[Shard]:
        from pipeline.claims import plan_requested
        from pipeline.run import PRIORITIES

        run = open_run()
        return claimed(run, plan_requested(run), None, PRIORITIES["urgent"])

    finish(plan())


retakes()
