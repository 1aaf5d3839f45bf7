"""What an Airflow connection says, as the catalog, the bucket and the service need it; else the environment.

| connection | type | holds |
|---|---|---|
| ``lookbook_catalog`` | postgres | the catalog's database |
| ``lookbook_s3`` | aws | access key, secret key; extra: bucket, endpoint_url, region_name, addressing_style |
| ``lookbook_service`` | http | the generation service (host: several are parted by commas); password: its token; |
| | | extra: hour_price, what an hour of one of its GPUs costs, in whatever money |

Airflow itself is not imported: DAGs and plugins look the connections up, each in their own way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from brief.errors import SettingsError
from brief.settings import CONNECTIONS, Settings
from service.client import GenerationClient
from storage.bucket.objects import Objects
from storage.bucket.settings import ObjectSettings
from storage.catalog.catalog import Catalog
from storage.catalog.runs import RunKey

CATALOG, S3, SERVICE = (CONNECTIONS[name] for name in ("database", "s3", "service"))
ADD = {
    CATALOG: f"airflow connections add {CATALOG} --conn-uri postgresql://USER:PASSWORD@HOST/lookbook",
    S3: f"airflow connections add {S3} --conn-type aws --conn-login KEY --conn-password SECRET --conn-extra "
    '\'{"bucket": "BUCKET", "endpoint_url": "http://HOST:PORT"}\'',
    SERVICE: f"airflow connections add {SERVICE} --conn-type http --conn-host HOST --conn-port 8500 "
    "--conn-password TOKEN",
}
"""Commands that mend a missing connection."""


class AirflowConnection(Protocol):
    """The fields of a connection that are read here."""

    conn_type: str | None
    host: str | None
    schema: str | None
    login: str | None
    password: str | None
    port: int | None

    @property
    def extra_dejson(self) -> dict[str, Any]: ...

    def get_uri(self) -> str: ...


def open_catalog(connection: AirflowConnection | None) -> Catalog:
    """The catalog of a connection, or of ``LOOKBOOK_DATABASE_URL``.

    Raises:
        SettingsError: neither names a database.
    """
    if connection is None:
        with _told_how_to_connect(CATALOG):
            return Catalog.at(Settings.read().needed("database_url"))
    # Airflow writes the scheme as libpq's older name, which SQLAlchemy does not know.
    return Catalog.at(connection.get_uri().replace("postgres://", "postgresql://", 1))


@contextmanager
def _told_how_to_connect(connection: str) -> Iterator[None]:
    try:
        yield
    except SettingsError as error:
        raise SettingsError(f"{error}; for the connection run: {ADD[connection]}") from error


def open_objects(connection: AirflowConnection | None) -> Objects:
    """The bucket of a connection, or of the ``LOOKBOOK_S3_*`` variables.

    Raises:
        SettingsError: neither names a bucket.
    """
    if connection is None:
        with _told_how_to_connect(S3):
            return Objects.from_env()
    extra = connection.extra_dejson
    return Objects(
        ObjectSettings(
            bucket=extra.get("bucket") or connection.schema or "",
            endpoint=extra.get("endpoint_url"),
            access_key=connection.login,
            secret_key=connection.password,
            region=extra.get("region_name") or "us-east-1",
            addressing=extra.get("addressing_style") or "path",
            origin=f"Airflow's connection {S3}",
        )
    )


def open_service(connection: AirflowConnection | None) -> GenerationClient:
    """The generation service of a connection, or of the ``LOOKBOOK_SERVICE_*`` variables.

    Raises:
        SettingsError: neither says where it is.
    """
    if connection is None:
        with _told_how_to_connect(SERVICE):
            return GenerationClient.from_env()
    scheme = connection.schema or connection.conn_type or "http"
    port = f":{connection.port}" if connection.port else ""
    hosts = (host.strip() for host in (connection.host or "").split(","))
    urls = ",".join(f"{scheme}://{host}{port}" for host in hosts)
    return GenerationClient(urls, connection.password or "", origin=f"the password of Airflow's connection {SERVICE}")


def hour_price(connection: AirflowConnection | None) -> float | None:
    """What an hour of a GPU costs, by the service's connection or ``LOOKBOOK_GPU_HOUR_PRICE``; ``None`` where neither
    says it.

    Raises:
        SettingsError: it is no number.
    """
    extra = connection.extra_dejson.get("hour_price") if connection else None
    if extra is None or extra == "":
        return Settings.read().gpu_hour_price
    try:
        return float(extra)
    except ValueError as error:
        raise SettingsError(f"Airflow's connection {SERVICE}: hour_price is {extra!r}; write it as 2.5") from error


@dataclass(frozen=True, slots=True)
class Run:
    """Opened connections, and the run on whose behalf they are used.

    ``id`` is recorded with what is planned and published, and makes the ids of jobs: a task that is tried again within
    its run finds its job again.
    """

    catalog: Catalog
    objects: Objects
    service: GenerationClient
    id: RunKey
    hour_price: float | None = None
    """What an hour of a GPU costs, for estimates and budgets."""
