"""Real servers for tests: PostgreSQL and an S3 server from their wheels, one of each per session."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import boto3
import pytest

from embedded.ports import free_port
from embedded.postgres import PostgresServer
from embedded.seaweedfs import REGION, SeaweedServer
from storage.bucket.objects import Objects
from storage.bucket.settings import ObjectSettings
from storage.catalog.catalog import Catalog
from storage.catalog.database import make_engine
from storage.migrations import migrate

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class S3Bucket:
    """An empty bucket and what a client needs to reach it."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    region: str = REGION


@contextmanager
def _running(
    command: list[str], folder: Path, answers: Callable[[], bool], environment: dict[str, str] | None = None
) -> Iterator[None]:
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment)
    try:
        deadline = time.monotonic() + 30
        while not answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not come up:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL server without crash safety."""
    folder = tmp_path_factory.mktemp("postgres")
    server = PostgresServer(folder / "data", free_port(15432 + secrets.randbelow(5000)), secrets.token_hex(8))
    server.initialise()
    with _running(server.command(durable=False), folder, server.answers):
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer) -> str:
    """Name of a migrated database, of which copies are made: a copy takes a tenth of the time of migrating."""
    postgres_server.create_database("template_catalog")
    engine = make_engine(postgres_server.url("template_catalog"))
    migrate(engine)
    engine.dispose()
    return "template_catalog"


@pytest.fixture
def new_catalog(postgres_server: PostgresServer, migrated_template: str) -> Iterator[Callable[[], Catalog]]:
    """Makes empty, migrated catalogs, each in a database of its own."""
    made: dict[str, Catalog] = {}

    def make() -> Catalog:
        name = f"catalog_{next(_numbers)}"
        postgres_server.create_database(name, template=migrated_template)
        made[name] = Catalog.at(postgres_server.url(name))
        return made[name]

    yield make
    for name, catalog in made.items():
        catalog.engine.dispose()
        postgres_server.drop_database(name)


@pytest.fixture
def catalog(new_catalog: Callable[[], Catalog]) -> Catalog:
    """An empty, migrated catalog."""
    return new_catalog()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """SQLAlchemy URL of an empty PostgreSQL database of this test's own, not migrated."""
    name = f"test_{next(_numbers)}"
    postgres_server.create_database(name)
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedServer]:
    """A SeaweedFS server with credentials of its own."""
    folder = tmp_path_factory.mktemp("s3")
    taken: list[int] = []
    for _ in range(5):
        taken.append(free_port(20000 + secrets.randbelow(9000), taken, with_twin=True))
    server = SeaweedServer(folder / "data", "tests", secrets.token_hex(16), *taken)
    server.initialise()
    try:
        with _running(server.command(), folder, server.answers, server.environment()):
            yield server
    finally:
        server.remove_sockets()


@pytest.fixture(scope="session")
def s3_bucket(s3_server: SeaweedServer) -> S3Bucket:
    """A bucket for all tests: SeaweedFS lays out a volume for each, and the disk's free space bounds their number
    (seen: 70 buckets on 71 GB; the next write failed)."""
    made = S3Bucket(s3_server.endpoint, s3_server.access_key, s3_server.secret_key, "tests")
    Objects(ObjectSettings(made.bucket, made.endpoint, made.access_key, made.secret_key)).ensure_bucket()
    return made


@pytest.fixture
def s3(s3_bucket: S3Bucket) -> Iterator[S3Bucket]:
    """An empty bucket."""
    yield s3_bucket
    client = boto3.client(
        "s3",
        endpoint_url=s3_bucket.endpoint,
        aws_access_key_id=s3_bucket.access_key,
        aws_secret_access_key=s3_bucket.secret_key,
        region_name=s3_bucket.region,
    )
    while left := client.list_objects_v2(Bucket=s3_bucket.bucket).get("Contents"):
        client.delete_objects(Bucket=s3_bucket.bucket, Delete={"Objects": [{"Key": each["Key"]} for each in left]})


@pytest.fixture
def settings(s3: S3Bucket) -> ObjectSettings:
    return ObjectSettings(s3.bucket, s3.endpoint, s3.access_key, s3.secret_key, s3.region)


@pytest.fixture
def objects(settings: ObjectSettings) -> Objects:
    return Objects(settings)
