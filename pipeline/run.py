"""A run: what it is asked to do, by the fields of Airflow's forms, and what it works with, by Airflow's connections or
else the environment.

| connection | type | holds |
|---|---|---|
| ``lookbook_catalog`` | postgres | the catalog's database |
| ``lookbook_s3`` | aws | access key, secret key; extra: bucket, endpoint_url, region_name, addressing_style |
| ``lookbook_service`` | http | the generation service (host: several are separated by commas); password: its token; |
| | | extra: hour_price, what an hour of one of its GPUs costs, in whatever money |

Airflow itself is not imported: DAGs and plugins look the connections up, each in their own way.
Forms are read and explained before anything is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any, Protocol

from brief.errors import SettingsError
from brief.plan import PlanError
from brief.settings import CONNECTIONS, DATABASE_URL, Settings
from brief.types import Environment, Framing, Persona
from service.client import GenerationClient
from storage.bucket.objects import Objects
from storage.bucket.settings import ObjectSettings
from storage.catalog.catalog import Catalog
from storage.catalog.retiring import OVER
from storage.catalog.runs import RunKey
from storage.catalog.shots import Choice, Reprocess

CATALOG, S3, SERVICE = (CONNECTIONS[name] for name in ("database", "s3", "service"))
ADD = {
    CATALOG: f"airflow connections add {CATALOG} --conn-uri postgresql://USER:PASSWORD@HOST/lookbook",
    S3: f"airflow connections add {S3} --conn-type aws --conn-login KEY --conn-password SECRET --conn-extra "
    '\'{"bucket": "BUCKET", "endpoint_url": "http://HOST:PORT"}\'',
    SERVICE: f"airflow connections add {SERVICE} --conn-type http --conn-host HOST --conn-port 8500 "
    "--conn-password TOKEN",
}
"""Commands that fix a missing connection."""


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
        with _with_connection_advice(CATALOG):
            return Catalog.at(Settings.read().needed("database_url"), DATABASE_URL)
    # Airflow writes the scheme as libpq's older name, which SQLAlchemy does not know.
    url = connection.get_uri().replace("postgres://", "postgresql://", 1)
    return Catalog.at(url, f"Airflow's connection {CATALOG}")


@contextmanager
def _with_connection_advice(connection: str) -> Iterator[None]:
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
        with _with_connection_advice(S3):
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
        with _with_connection_advice(SERVICE):
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


Interval = tuple[datetime, datetime]
PRIORITIES: Mapping[str, int] = {"night": 0, "normal": 10, "urgent": 20}
"""How urgent a run is, by the word of the form; a run leaves shots to another that is as urgent or more."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may take at most: shots, seconds of the generation services, money. ``None`` is no limit.

    The last two are kept by what shots were measured to cost, before anything is made, and by what the run's own shots
    take, before each shard.
    """

    shots: int | None = None
    seconds: float | None = None
    money: float | None = None


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a run shall do.

    Attributes:
        campaigns: names; ``None`` means all that are active.
        budget: shots beyond it are left for another run.
        dry_run: only say what would be made.
        shard_size: ``None`` means as many as fit the run (:func:`pipeline.plan.usual_shard_size`).
    """

    campaigns: Sequence[str] | None = None
    choice: Choice = field(default_factory=Choice)
    budget: Budget = field(default_factory=Budget)
    dry_run: bool = False
    shard_size: int | None = None
    priority: int = PRIORITIES["night"]


def read_request(params: Mapping[str, Any], interval: Interval | None, priority: str = "night") -> RunRequest:
    """A run's request.

    Args:
        params: of the run, as the form has them; what a DAG does not ask for may be missing.
        interval: of a run that Airflow started for a span of time; a span that the form names comes before it.

    Raises:
        PlanError: a value that means nothing; says which field, what it is and what would do.
    """
    if "campaign" in params and not (params["campaign"] or "").strip():
        raise PlanError(
            'no campaign is named; give its name in the form, or {"campaign": "NAME"} as the run\'s conf (the form '
            "of a backfill is sent only with a tick at 'Override parameters on existing runs')"
        )
    changed = _named_span(params.get("changed_from"), params.get("changed_to")) or interval
    by_itself = interval is not None
    choice = Choice(
        reprocess=Reprocess(params.get("reprocess") or "missing"),
        changed=None if params.get("outstanding") else changed,
        products=_lines(params, "products") + _lines({"like": [params.get("products_like") or ""]}, "like"),
        environments=_lines(params, "environments"),
        personas=_lines(params, "personas"),
        framings=tuple(Framing(each).value for each in _lines(params, "framings")),
        variants=params.get("variants"),
        cancelled=bool(params.get("outstanding")) or not by_itself,
    )
    return RunRequest(
        campaigns=[params["campaign"].strip()] if params.get("campaign") else None,
        choice=choice,
        budget=Budget(params.get("most_shots"), params.get("most_seconds"), params.get("most_money")),
        dry_run=bool(params.get("dry_run")),
        shard_size=params.get("shard_size"),
        priority=PRIORITIES[params.get("priority") or priority],
    )


def _lines(params: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(line for each in params.get(name) or () if (line := str(each).strip()))


def _named_span(first: str | None, last: str | None) -> Interval | None:
    """From the beginning of the first day to the end of the last, UTC."""
    if not first and not last:
        return None
    since = _day(first, "Changed from") if first else datetime(1970, 1, 1, tzinfo=UTC)
    until = _day(last, "Changed to") + timedelta(days=1) if last else datetime.now(UTC)
    if since >= until:
        raise PlanError(f"'Changed from' is {first}, which is after 'Changed to', {last or 'now'}; exchange them")
    return since, until


def _day(text: str, what: str) -> datetime:
    try:
        return datetime.combine(datetime.fromisoformat(text).date(), time.min, UTC)
    except ValueError as error:
        raise PlanError(f"'{what}' is {text!r}; write a day as 2026-11-28") from error


def names_for_forms(run: Run, most_products: int) -> dict[str, list[str]]:
    """What the fields of a form offer: names of campaigns that are not over, and of what is not retired."""
    catalog, states = run.catalog, run.catalog.campaign_states()
    return {
        "campaigns": sorted(name for name, state in states.items() if state not in OVER),
        "products": catalog.usable_skus(most_products),
        "environments": sorted(catalog.environments().keys() - catalog.retired(Environment)),
        "personas": sorted(catalog.personas().keys() - catalog.retired(Persona)),
    }
