"""The catalog and the bucket, opened once per API server."""

from __future__ import annotations

from functools import cache
from typing import Any

from airflow.models.connection import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from pipeline import run as connections
from pipeline.run import Run
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.catalog.errors import CatalogError
from storage.catalog.runs import RunKey
from storage.catalog.search import waiting_count


@cache
def catalog() -> Catalog:
    """Of connection ``lookbook_catalog``, or the environment."""
    return connections.open_catalog(_connection(connections.CATALOG))


@cache
def objects() -> Objects:
    """Of connection ``lookbook_s3``, or the environment."""
    return connections.open_objects(_connection(connections.S3))


@cache
def hour_price() -> float | None:
    """What an hour of a GPU costs, by connection ``lookbook_service`` or the environment."""
    return connections.hour_price(_connection(connections.SERVICE))


def run() -> Run:
    """What a use case works with, on behalf of a person instead of a DAG's run."""
    return Run(catalog(), objects(), connections.open_service(_connection(connections.SERVICE)), RunKey("", ""))


def waiting() -> int | None:
    """How many reviews wait, for the navigation; ``None`` while the catalog does not say."""
    try:
        with catalog().begin() as session:
            return waiting_count(session)
    except CatalogError:
        return None


def _connection(name: str) -> Any | None:
    try:
        return Connection.get_connection_from_secrets(name)
    except AirflowNotFoundException:
        return None
