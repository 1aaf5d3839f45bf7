"""Every variable of the environment that Lookbook's programs read, with what it means and its limits.

In Airflow connections say the same (``pipeline/run.py``); messages name what must be changed, whichever it is. No other
module reads them, but for ``embedded/installation.py``: it runs before pydantic is there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from brief.errors import SettingsError

PREFIX = "LOOKBOOK_"
DATABASE_URL = PREFIX + "DATABASE_URL"
CONNECTIONS = {"database": "lookbook_catalog", "s3": "lookbook_s3", "service": "lookbook_service"}
"""Airflow's connections that say the same, by how the names of the variables begin."""


class Settings(BaseSettings):
    """The variables by their names without :data:`PREFIX`, in small letters; empty ones count as not set."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    database_url: str | None = Field(
        default=None, description="the catalog's database, such as postgresql+psycopg://user:password@host/database"
    )
    s3_bucket: str | None = Field(default=None, description="the bucket that holds the pictures")
    s3_endpoint: Annotated[str, Field(pattern="^https?://")] | None = Field(
        default=None, description="URL of the S3 server, http://host:port; AWS where it is not set"
    )
    s3_access_key: str | None = Field(
        default=None, description="who asks; boto3's own chain decides where it is not set"
    )
    s3_secret_key: str | None = Field(default=None, repr=False, description="the secret to it")
    s3_region: str = Field(default="us-east-1", description="part of the signature; most servers but AWS take any")
    s3_addressing: Literal["path", "virtual", "auto"] = Field(
        default="path",
        description='"path" mostly, "auto" for AWS, "virtual" where the host name has the bucket',
    )
    s3_checksum: Literal["when_supported", "when_required"] = Field(
        default="when_supported", description='"when_required" for servers that reject checksums of newer clients'
    )
    service_url: str | None = Field(default=None, description="where the generation services are, separated by commas")
    service_token: str | None = Field(
        default=None, repr=False, description="the secret that lets callers into the service"
    )
    service_batch: int = Field(default=4, ge=1, description="items that go through the models together")
    service_queue: int = Field(default=64, ge=1, description="jobs that may wait; more are answered with 429")
    compile: bool = Field(
        default=False, description="compile the models: faster for many pictures of one size, minutes slower at first"
    )
    bundle: Path | None = Field(default=None, description="the folder of the models, with a bundle.toml")
    gpu_hour_price: float | None = Field(default=None, ge=0, description="what an hour of a GPU costs, such as 2.5")
    deadline_hours: float = Field(default=5, gt=0, description="after which a nightly run that still goes on is told")
    public_url: str | None = Field(default=None, description="where published objects are had; else the S3 server")
    signing_certificate: Path | None = Field(default=None, description="the chain (PEM) that published files carry")
    signing_key: Path | None = Field(default=None, description="the key (PEM) they are signed with")
    signing_algorithm: str = Field(default="es256", description="as C2PA names it: es256, ps256, ed25519")
    signing_timestamps: str | None = Field(default=None, description="URL of a time stamping authority")
    webhook_url: str | None = Field(default=None, description="where events are told")
    webhook_secret: str | None = Field(default=None, repr=False, description="the secret that signs events")
    form_lists: Path | None = Field(
        default=None, description="the file of the names that forms offer, where all of Airflow's parts reach it"
    )
    threads: int | None = Field(default=None, ge=1, description="threads of a training, else one for each core")
    home: Path | None = Field(default=None, description="the folder of the set-up on this machine, else .lookbook")

    @classmethod
    def read(cls) -> Self:
        """From the environment.

        Raises:
            SettingsError: a variable holds what it may not; names all of them.
        """
        try:
            return cls()
        except ValidationError as error:
            wrong = sorted({(str(each["loc"][0]), each["msg"], str(each["input"])) for each in error.errors()})
            raise SettingsError("; ".join(_wrong(*each) for each in wrong)) from None

    @classmethod
    def handed_on(cls, names: Iterable[str]) -> dict[str, str]:
        """Those of the settings ``names`` that the environment holds, as variables for a child process."""
        variables = (PREFIX + name.upper() for name in names)
        return {name: os.environ[name] for name in variables if name in os.environ}

    def needed(self, name: str) -> Any:
        """The value of setting ``name``.

        Raises:
            SettingsError: it is not set; says what it means and where to set it.
        """
        value = getattr(self, name)
        if value is None:
            means = type(self).model_fields[name].description
            connection = CONNECTIONS.get(name.partition("_")[0])
            other = f", or make Airflow's connection {connection}" if connection else ""
            raise SettingsError(f"{PREFIX}{name.upper()} is not set: {means}. Set this variable{other}")
        return value


def _wrong(name: str, message: str, value: str) -> str:
    shown = "" if name in {"s3_secret_key", "service_token", "webhook_secret"} else f" is {value!r}"
    return f"{PREFIX}{name.upper()}{shown}: {message[0].lower()}{message[1:]}; correct this variable"
