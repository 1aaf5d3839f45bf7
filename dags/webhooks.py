"""When something happened that others follow: tell the webhook."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import dag, task
from lookbook_run import asset_or_hourly, connection, open_run
from shoot import DEFAULT_ARGS

from pipeline.airflow_assets import EVENTS


@dag(
    schedule=asset_or_hourly(EVENTS, minute=25),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["lookbook", "upkeep"],
    description="At once when a run, a review or a publication is done: tell the webhook",
)
def webhooks() -> None:
    """### Webhooks
    Sends what happened (a run ended, a person decided, a campaign has new pictures) to the address of the connection
    `lookbook_webhook`, or of `LOOKBOOK_WEBHOOK_URL`: signed with HMAC-SHA256, in order, repeated until it is taken,
    each event under a delivery id of its own. Without an address it does nothing. How a receiver checks the
    signature: `pipeline/webhooks.py`.
    """

    @task
    def deliver() -> int:
        from pipeline.webhooks import WEBHOOK, deliver, open_webhook

        webhook = open_webhook(connection(WEBHOOK))
        return deliver(open_run().catalog, webhook) if webhook else 0

    deliver()


webhooks()
