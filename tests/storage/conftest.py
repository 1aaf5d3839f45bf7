"""A catalog with its schema, and the objects of a bucket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storage.catalog import Catalog
from storage.migrate import migrate
from storage.object_settings import ObjectSettings
from storage.objects import Objects
from tests.conftest import S3Bucket


@pytest.fixture
def settings(s3: S3Bucket) -> ObjectSettings:
    return ObjectSettings(s3.bucket, s3.endpoint, s3.access_key, s3.secret_key, s3.region)


@pytest.fixture
def objects(settings: ObjectSettings) -> Objects:
    return Objects(settings)


@pytest.fixture
def catalog(database_url: str) -> Iterator[Catalog]:
    """Once on SQLite, once on PostgreSQL."""
    catalog = Catalog.at(database_url)
    migrate(catalog.engine)
    yield catalog
    catalog.engine.dispose()
