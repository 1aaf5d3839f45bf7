"""What tasks know of their run: opened connections (see ``pipeline/run.py``), its span of time, and other runs."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetOrTimeSchedule, Connection, CronTriggerTimetable, get_current_context
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowRuntimeError

if TYPE_CHECKING:
    from pipeline.run import Run
    from storage.catalog.runs import RunKey


NOT_FOUND = 404


def asset_or_hourly(asset: str, minute: int) -> AssetOrTimeSchedule:
    """Whenever the asset is updated, and at a minute of every hour, for an event that was lost."""
    hourly = CronTriggerTimetable(f"{minute} * * * *", timezone="UTC")
    return AssetOrTimeSchedule(timetable=hourly, assets=[Asset(name=asset, uri=asset)])


def open_run() -> Run:
    """Opened connections, for the DAG run that the current task belongs to."""
    from pipeline import run as connections
    from pipeline.run import Run
    from storage.catalog.runs import RunKey

    dag_run = get_current_context()["dag_run"]
    service = connection(connections.SERVICE)
    return Run(
        connections.open_catalog(connection(connections.CATALOG)),
        connections.open_objects(connection(connections.S3)),
        connections.open_service(service),
        RunKey(dag_run.dag_id, dag_run.run_id),
        connections.hour_price(service),
    )


def span() -> tuple[datetime, datetime] | None:
    """From when to when rows changed that the run is for: the data interval of a run by schedule or backfill, the time
    of the import that started it; ``None`` for a run by hand."""
    context: Any = get_current_context()
    kind = str(getattr(context["dag_run"].run_type, "value", context["dag_run"].run_type))
    if kind in ("scheduled", "backfill"):
        return context["data_interval_start"], context["data_interval_end"]
    if kind != "asset_triggered":
        return None
    events = [event for some in context["triggering_asset_events"].values() for event in some]
    since = [_import_began(event) for event in events]
    return min(since), datetime.now(UTC)


def _import_began(event: Any) -> datetime:
    since = (event.extra or {}).get("since")
    return datetime.fromisoformat(since) if since else event.timestamp - timedelta(days=1)


def is_live(key: RunKey) -> bool:
    """Whether Airflow still works on a run, or will."""
    try:
        state = get_current_context()["ti"].get_dagrun_state(*key)
    except AirflowRuntimeError as error:
        if (error.error.detail or {}).get("status_code") == NOT_FOUND:  # it was deleted
            return False
        raise
    return getattr(state, "value", state) in ("queued", "running")


def late(context: dict[str, Any], **_: Any) -> None:
    """A run missed its deadline: say so in the log of the callback, and to the webhook."""
    from pipeline.run import CATALOG, open_catalog
    from storage.catalog import events

    run = context["dag_run"]
    kind = run["run_type"] if isinstance(run, dict) else run.run_type
    if str(getattr(kind, "value", kind)) != "scheduled":
        return  # a backfill's runs wait for each other, and somebody watches a run by hand
    name = f"{run['dag_id']}/{run['dag_run_id']}" if isinstance(run, dict) else f"{run.dag_id}/{run.run_id}"
    logging.getLogger(__name__).error(
        "run %s missed its deadline; it goes on. See its grid for what it waits for", name
    )
    with open_catalog(connection(CATALOG)) as catalog, catalog.begin() as session:
        events.note(session, "run.late", {"run": name})


def connection(name: str) -> Any | None:
    """An Airflow connection, or ``None`` where there is none of that name."""
    try:
        return Connection.get(name)
    except AirflowNotFoundException:
        return None
