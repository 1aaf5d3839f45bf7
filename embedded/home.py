"""The folder that holds everything of a set-up: what is generated for it once (credentials, ports), and its stores."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TypeVar

from brief.settings import Settings
from embedded.ports import GRPC_OFFSET, free_port
from embedded.postgres import PostgresServer
from embedded.seaweedfs import REGION, SeaweedServer
from pipeline.credentials import development_signer
from storage.bucket.objects import Objects
from storage.bucket.settings import ObjectSettings
from storage.catalog.catalog import Catalog

PROJECT = Path(__file__).resolve().parent.parent
BUCKET = "lookbook"
ADMIN, REVIEWER = "admin", "reviewer"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may log in to Airflow: the role of Airflow's simple login, and in words what it allows."""

    role: str
    may: str


ACCOUNTS = {
    ADMIN: Account("admin", "may everything"),
    REVIEWER: Account("viewer", "looks, and answers reviews"),
    "viewer": Account("viewer", "looks"),
}
"""A right to answer reviews apart from the right to start DAGs is none of Airflow's roles: ``[lookbook] reviewers``."""


def _secret() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Every password and key of a set-up, drawn once."""

    postgres: str = field(default_factory=_secret)
    airflow_database: str = field(default_factory=_secret)
    lookbook_database: str = field(default_factory=_secret)
    s3_access_key: str = field(default_factory=_secret)
    s3_secret_key: str = field(default_factory=_secret)
    service_token: str = field(default_factory=_secret)
    supervisor: str = field(default_factory=_secret)
    airflow_admin: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    airflow_reviewer: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    airflow_viewer: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    airflow_api_secret: str = field(default_factory=_secret)
    airflow_jwt: str = field(default_factory=lambda: secrets.token_hex(64))
    airflow_fernet: str = field(default_factory=lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports on 127.0.0.1; the defaults are what one would expect where nothing else runs."""

    airflow: int = 8080
    s3: int = 8333
    service: int = 8500
    postgres: int = 5433
    supervisor: int = 9801
    s3_master: int = 9333
    s3_volume: int = 8380
    s3_filer: int = 8888
    s3_admin: int = 9646


@dataclass(frozen=True, slots=True)
class Home:
    """A set-up below ``root`` with its credentials and ports."""

    root: Path
    credentials: Credentials
    ports: Ports

    @property
    def certificate(self) -> Path:
        """Of the signer of published files, for trials."""
        return self.root / "signing-certificate.pem"

    @property
    def signing_key(self) -> Path:
        return self.root / "signing-key.pem"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def bundle(self) -> Path:
        """The model bundle that is served: the one the user named, else the starter, else the random stand-in."""
        named = Settings.read().bundle
        starter = PROJECT / "bundles" / "starter"
        if named:
            return named.resolve()
        return starter if (starter / "bundle.toml").exists() else self.root / "bundle"

    @property
    def postgres(self) -> PostgresServer:
        return PostgresServer(self.root / "postgres", self.ports.postgres, self.credentials.postgres)

    @property
    def s3(self) -> SeaweedServer:
        ports = self.ports
        return SeaweedServer(
            data=self.root / "s3",
            access_key=self.credentials.s3_access_key,
            secret_key=self.credentials.s3_secret_key,
            s3=ports.s3,
            master=ports.s3_master,
            volume=ports.s3_volume,
            filer=ports.s3_filer,
            admin=ports.s3_admin,
        )

    @property
    def passwords(self) -> dict[str, str]:
        """Of Airflow's :data:`ACCOUNTS`."""
        return {name: getattr(self.credentials, f"airflow_{name}") for name in ACCOUNTS}

    @property
    def database_url(self) -> str:
        """Of the catalog."""
        return self.postgres.url("lookbook", "lookbook", self.credentials.lookbook_database)

    @property
    def airflow_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.airflow}"

    @property
    def service_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.service}"


def default_root() -> Path:
    """``LOOKBOOK_HOME``, else ``.lookbook`` in the project."""
    return (Settings.read().home or PROJECT / ".lookbook").resolve()


def open_home(root: Path) -> Home:
    """The set-up below ``root``; a new one gets its folder (0700), credentials and the default ports."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    root.chmod(0o700)
    for name in ("logs", "s3", "tmp"):
        (root / name).mkdir(mode=0o700, exist_ok=True)
    home = Home(root, _kept(root / "credentials.json", Credentials), _kept(root / "ports.json", Ports))
    if not home.certificate.exists():
        signer = development_signer()
        _write_text(home.signing_key, signer.key.decode())
        _write_text(home.certificate, signer.certificate.decode())
    return home


def with_free_ports(home: Home) -> tuple[Home, list[str]]:
    """``home`` with free ports for servers that are about to start, remembered, and a line for each that changed."""
    chosen: dict[str, int] = {}
    taken: set[int] = set()
    changes = []
    for name, wanted in asdict(home.ports).items():
        has_twin = name.startswith("s3")
        port = free_port(wanted, taken, with_twin=has_twin)
        if port != wanted:
            changes.append(f"port {wanted} is taken, so {name.replace('_', ' ')} gets {port}")
        chosen[name] = port
        taken |= {port, port + GRPC_OFFSET} if has_twin else {port}
    _write(home.root / "ports.json", chosen)
    return Home(home.root, home.credentials, Ports(**chosen)), changes


Kept = TypeVar("Kept", Credentials, Ports)


def _kept(path: Path, kind: type[Kept]) -> Kept:
    """What ``path`` holds, with values of their own for fields it lacks, which are kept from then on."""
    known = json.loads(path.read_text()) if path.exists() else {}
    value = kind(**{each.name: known[each.name] for each in fields(kind) if each.name in known})
    if asdict(value) != known:
        _write(path, asdict(value))
    return value


def _write(path: Path, values: Mapping[str, str | int]) -> None:
    _write_text(path, json.dumps(values, indent=2))


def _write_text(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others."""
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.write(text)
    draft.replace(path)


def open_catalog(home: Home) -> Catalog:
    """The catalog; its database must be up and migrated."""
    return Catalog.at(home.database_url, f"the set-up in {home.root}")


def open_objects(home: Home) -> Objects:
    """The bucket; its server must be up."""
    keys = home.credentials
    return Objects(
        ObjectSettings(
            bucket=BUCKET,
            endpoint=home.s3.endpoint,
            access_key=keys.s3_access_key,
            secret_key=keys.s3_secret_key,
            region=REGION,
        )
    )
