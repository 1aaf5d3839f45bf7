"""Every quarter of an hour: publish what people approved. Once a night: clear what no plan wants any more."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.sdk import Param, dag, task
from lookbook_run import open_run
from shoot import DEFAULT_ARGS

PARAMS: dict[str, Any] = {
    "keep_days": Param(
        30, type="integer", minimum=1, title="Days", description="Takes of superseded shots are deleted after so long"
    )
}


@dag(
    schedule="*/15 * * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params=PARAMS,
    render_template_as_native_obj=True,
    tags=["lookbook", "upkeep"],
    description="Publish approved reviews, clear takes that no plan wants any more",
)
def upkeep() -> None:
    """### Upkeep
    `publish_approved` publishes the shots that a person approved under *Reviews*. `clear_takes` deletes the takes of
    shots that were superseded more than *Days* ago; what was published is never deleted.
    """

    @task
    def publish_approved() -> dict[str, int]:
        from pipeline.publish import publish_approved

        return publish_approved(open_run())

    @task
    def clear_takes(days: int) -> int:
        from pipeline.upkeep import clear_takes

        return clear_takes(open_run(), days)

    publish_approved() >> clear_takes("{{ params.keep_days }}")  # type: ignore[arg-type]  # renders to a number


upkeep()
