"""URIs of the Airflow assets by which one thing that happens starts another. Only names: nothing is imported here."""

from __future__ import annotations

from urllib.parse import quote

APPROVALS = "lookbook://catalog/approvals"
"""Updated by each approval of a person; starts DAG ``publish_approved``."""
RETAKES = "lookbook://catalog/retakes"
"""Updated when a person asks for another take; starts DAG ``retakes``."""
IMPORTS = "lookbook://catalog/rows"
"""Updated by each import of rows; starts DAG ``catalog``."""


def published(campaign: str) -> str:
    """Updated when pictures of a campaign were published; for whatever pushes them on to a shop or a CDN."""
    return f"lookbook://published/{quote(campaign, safe='')}"
