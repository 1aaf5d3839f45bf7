"""Once a night: clear what no plan wants any more."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task
from lookbook_run import open_run
from shoot import DEFAULT_ARGS

PARAMS: dict[str, Any] = {
    "keep_days": Param(
        30, type="integer", minimum=1, title="Days", description="Takes of superseded shots are deleted after so long"
    )
}


@dag(
    schedule=CronTriggerTimetable("30 4 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params=PARAMS,
    tags=["lookbook", "upkeep"],
    description="Nightly: clear takes that no plan wants any more",
)
def upkeep() -> None:
    """### Upkeep
    `clear_takes` deletes the takes of shots that were superseded more than *Days* ago; what was published is never
    deleted.
    """

    @task
    def clear_takes() -> int:
        from pipeline.upkeep import clear_takes

        return clear_takes(open_run(), get_current_context()["params"]["keep_days"])

    clear_takes()


upkeep()
