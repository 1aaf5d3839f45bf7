"""Opens what tasks work with, from Airflow's connections (see ``pipeline/run.py``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Connection, get_current_context
from airflow.sdk.exceptions import AirflowNotFoundException

if TYPE_CHECKING:
    from pipeline.run import Run


def open_run() -> Run:
    """Opened connections, for the DAG run that the current task belongs to."""
    from pipeline import run as connections
    from pipeline.run import Run
    from storage.catalog.runs import RunKey

    dag_run = get_current_context()["dag_run"]
    return Run(
        connections.open_catalog(_connection(connections.CATALOG)),
        connections.open_objects(_connection(connections.S3)),
        connections.open_service(_connection(connections.SERVICE)),
        RunKey(dag_run.dag_id, dag_run.run_id),
    )


def _connection(name: str) -> Any | None:
    try:
        return Connection.get(name)
    except AirflowNotFoundException:
        return None
