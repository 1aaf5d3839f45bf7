"""As soon as a person approves a picture: publish it."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import dag, task
from lookbook_run import asset_or_hourly, open_run
from shoot import DEFAULT_ARGS, announce

from pipeline.airflow_assets import APPROVALS


@dag(
    schedule=asset_or_hourly(APPROVALS, minute=10),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["lookbook", "review"],
    description="At once when a person approves: publish the picture",
)
def publish_approved() -> None:
    """### Publish approved
    Publishes the shots that a person approved under *Reviews*. Each approval updates the asset `lookbook://catalog/approvals`,
    which starts a run within seconds; once an hour a run looks for approvals whose event was lost.
    """

    @task
    def publish() -> dict[str, int]:
        from pipeline.current import write_current_of_run
        from pipeline.settle import publish_approved

        run = open_run()
        outcomes = publish_approved(run)
        write_current_of_run(run)
        return outcomes

    publish() >> announce()  # type: ignore[call-arg]


publish_approved()
