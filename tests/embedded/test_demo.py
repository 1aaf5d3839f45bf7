"""What the demo does to a catalog that somebody already works with."""

from __future__ import annotations

from pathlib import Path

from embedded.demo import load_sample
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.importing.import_catalog import import_catalog
from tests.embedded.tiny_catalog import write_tiny_catalog


def test_the_sample_is_not_imported_over_a_users_catalog(catalog: Catalog, objects: Objects, tmp_path: Path) -> None:
    assert import_catalog(write_tiny_catalog(tmp_path), catalog, objects).bad == []
    before = catalog.products()
    assert before
    said: list[str] = []
    load_sample(catalog, objects, said.append)
    assert catalog.products() == before
    assert "the sample is not imported" in said[0]
