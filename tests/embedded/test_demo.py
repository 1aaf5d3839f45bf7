"""What the demo does to a catalog that somebody already works with."""

from __future__ import annotations

from pathlib import Path

from embedded.demo import load_sample, on_contact_sheet
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.catalog.tables import ShotState
from storage.importing.import_catalog import import_catalog
from tests.embedded.tiny_catalog import write_tiny_catalog
from tests.storage.samples import planned, published, scored


def test_the_sample_is_not_imported_over_a_users_catalog(catalog: Catalog, objects: Objects, tmp_path: Path) -> None:
    assert import_catalog(write_tiny_catalog(tmp_path), catalog, objects).bad == []
    before = catalog.products()
    assert before
    said: list[str] = []
    load_sample(catalog, objects, said.append)
    assert catalog.products() == before
    assert "the sample is not imported" in said[0]


def test_a_contact_sheet_that_is_full_still_shows_doubtful_pictures(catalog: Catalog) -> None:
    *accepted, first, second = planned(catalog, tuple("ABCDEF"))
    for shot in accepted:
        published(catalog, shot)
    for shot in (first, second):
        catalog.open_review(shot.key, scored(catalog, shot)[0].key, ["dark"])
    states = [record.state for record in on_contact_sheet(catalog, 3)]
    assert states == [ShotState.PUBLISHED, ShotState.PUBLISHED, ShotState.REVIEW]
    assert len(on_contact_sheet(catalog)) == 6
