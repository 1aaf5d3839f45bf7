"""The demo's bad row fails for the reason it says, and planting it again changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from embedded.demo import SKU, plant_bad_row
from storage.bucket.errors import ObjectDamaged
from storage.bucket.objects import Objects
from storage.bucket.settings import ObjectSettings
from storage.catalog.catalog import Catalog
from storage.importing.import_catalog import import_catalog
from tests.conftest import S3Bucket
from tests.embedded.tiny_catalog import write_tiny_catalog


def test_bad_row(catalog: Catalog, s3: S3Bucket, tmp_path: Path) -> None:
    objects = Objects(ObjectSettings(s3.bucket, s3.endpoint, s3.access_key, s3.secret_key))
    import_catalog(write_tiny_catalog(tmp_path), catalog, objects)
    found = []
    for _ in range(2):
        plant_bad_row(catalog, objects)
        found.append((catalog.products(), catalog.campaigns(), list(objects.list_keys(""))))
    assert found[0] == found[1]
    packshot = catalog.products()[SKU].packshot
    with pytest.raises(ObjectDamaged, match="delete it and import its row again"):
        objects.get(packshot.key, packshot.sha256)
