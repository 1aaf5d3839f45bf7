"""Once a night: clear what no plan wants any more, heal published files."""

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
    description="Nightly: clear takes that no plan wants any more, heal published files, refresh renditions",
)
def upkeep() -> None:
    """### Upkeep
    `clear_takes` deletes the takes of shots that were superseded more than *Days* ago; what was published is never
    deleted. `heal_published` compares every published file with its recorded SHA-256 and publishes again what is gone
    or damaged. `refresh_renditions` makes from the masters what campaigns added to or changed of their renditions, and
    writes each campaign's list of what is live. `calibrate` makes thresholds of a bundle that has none of its own, once
    people have answered about enough of its takes.
    """

    @task
    def clear_takes() -> int:
        from pipeline.upkeep import clear_takes

        return clear_takes(open_run(), get_current_context()["params"]["keep_days"])

    @task
    def heal_published() -> dict[str, int]:
        from pipeline.upkeep import heal_published

        return heal_published(open_run())

    @task
    def refresh_renditions() -> dict[str, int]:
        from pipeline.current import write_current
        from pipeline.settle import refresh_renditions

        run = open_run()
        outcomes = refresh_renditions(run)
        write_current(run.catalog, run.objects)
        return outcomes

    @task
    def calibrate() -> bool:
        from pipeline.calibration import calibrate_when_due

        return calibrate_when_due(open_run())

    clear_takes()
    calibrate()
    heal_published() >> refresh_renditions()


upkeep()
