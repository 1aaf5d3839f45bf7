"""URIs of the Airflow assets by which one thing that happens starts another, and the names of our own metrics. Only
names: nothing is imported here."""

from __future__ import annotations

from urllib.parse import quote

APPROVALS = "lookbook://catalog/approvals"
"""Updated by each approval of a person; starts DAG ``publish_approved``."""
RETAKES = "lookbook://catalog/retakes"
"""Updated when a person asks for another take; starts DAG ``retakes``."""
IMPORTS = "lookbook://catalog/rows"
"""Updated by an import of rows, with ``since`` (when it began) in its extra; starts DAG ``catalog``."""
EVENTS = "lookbook://catalog/events"
"""Updated when something happened that a webhook wants to hear of; starts DAG ``webhooks``."""
SHOTS_METRIC = "lookbook.shots"
"""Counts the shots that runs ended with, by ``state`` and ``dag_id``, among Airflow's metrics."""
SECONDS_METRIC = "lookbook.run_seconds"
"""How long the latest run of each DAG (``dag_id``) took up to its summary. Airflow's own timers of runs are exponential
histograms, which many a collector drops on the way to Prometheus."""
PUBLISHED = "lookbook-published"
"""Name of the alias under which tasks say of which campaigns they published pictures."""


def published(campaign: str) -> str:
    """Updated when pictures of a campaign were published; for whatever pushes them on to a shop or a CDN."""
    return f"lookbook://published/{quote(campaign, safe='')}"
