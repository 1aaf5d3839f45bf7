"""Opens what tasks work with, from Airflow's connections or else from the ``LOOKBOOK_*`` variables.

| connection | type | holds |
|---|---|---|
| ``lookbook_catalog`` | postgres | the catalog's database |
| ``lookbook_s3`` | aws | access key, secret key; extra: bucket, endpoint_url, region_name, addressing_style |
| ``lookbook_service`` | http | the generation service; password: its token |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Connection, get_current_context
from airflow.sdk.exceptions import AirflowNotFoundException

if TYPE_CHECKING:
    from generation.client import GenerationClient
    from storage.catalog import Catalog
    from storage.desk import Desk
    from storage.objects import Objects


def open_desk() -> Desk:
    """The desk of the run that the current task belongs to."""
    from storage.desk import Desk

    run = get_current_context()["dag_run"]
    return Desk(open_catalog(), open_objects(), open_service(), run.run_id)


def open_catalog() -> Catalog:
    """The catalog of connection ``lookbook_catalog`` or ``LOOKBOOK_DATABASE_URL``."""
    import os

    from storage.catalog import Catalog

    connection = _connection("lookbook_catalog")
    if connection is None:
        return Catalog.at(os.environ.get("LOOKBOOK_DATABASE_URL", ""))
    return Catalog.at(connection.get_uri().replace("postgres://", "postgresql://", 1))


def open_objects() -> Objects:
    """The bucket of connection ``lookbook_s3`` or ``LOOKBOOK_S3_*``."""
    from storage.object_settings import ObjectSettings
    from storage.objects import Objects

    connection = _connection("lookbook_s3")
    if connection is None:
        return Objects.from_env()
    extra = connection.extra_dejson
    return Objects(
        ObjectSettings(
            bucket=extra.get("bucket") or connection.schema or "lookbook",
            endpoint=extra.get("endpoint_url"),
            access_key=connection.login,
            secret_key=connection.password,
            region=extra.get("region_name") or "us-east-1",
            addressing=extra.get("addressing_style") or "path",
        )
    )


def open_service() -> GenerationClient:
    """The generation service of connection ``lookbook_service`` or ``LOOKBOOK_SERVICE_*``."""
    from generation.client import GenerationClient

    connection = _connection("lookbook_service")
    if connection is None:
        return GenerationClient.from_environment()
    scheme = connection.schema or connection.conn_type or "http"
    port = f":{connection.port}" if connection.port else ""
    return GenerationClient(f"{scheme}://{connection.host}{port}", connection.password or "")


def _connection(name: str) -> Any | None:
    try:
        return Connection.get(name)
    except AirflowNotFoundException:
        return None
