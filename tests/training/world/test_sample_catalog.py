"""The committed sample catalog is what the script writes, and the importer takes every row."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from storage.bucket.objects import Objects
from storage.importing.import_catalog import catalog_files
from storage.importing.lines import UTF8, Line, TextLines, json_lines
from storage.importing.pictures import Pictures
from storage.importing.rows import KINDS, check_row, tidied
from training.world.sample_catalog import CAMPAIGN, EDGE, ENVIRONMENTS, MARGIN, PERSONAS, PRODUCTS, product_rows

SAMPLE = Path(__file__).parents[3] / "examples" / "catalog"


@pytest.mark.parametrize("kind", KINDS)
def test_the_importer_takes_every_row(kind: str, objects: Objects) -> None:
    rows = list(json_lines(TextLines(catalog_files(SAMPLE)[kind], UTF8)))
    assert rows
    for line in rows:
        assert isinstance(line, Line)
        check_row(tidied(line, KINDS[kind]), KINDS[kind], Pictures(SAMPLE, objects), None)


def test_the_rows_are_those_of_the_script() -> None:
    def rows(name: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in (SAMPLE / name).read_text().splitlines()]

    assert rows("products.jsonl") == product_rows()
    assert rows("campaigns.jsonl") == [CAMPAIGN]
    assert [row["name"] for row in rows("environments.jsonl")] == list(ENVIRONMENTS)
    assert [row["name"] for row in rows("personas.jsonl")] == list(PERSONAS)


@pytest.mark.parametrize("sku", PRODUCTS)
def test_packshots_are_transparent_and_trimmed(sku: str) -> None:
    with Image.open(SAMPLE / "images" / f"{sku}.png") as image:
        assert (image.mode, image.size) == ("RGBA", (EDGE, EDGE))
        left, top, right, bottom = image.getchannel("A").getbbox() or (0, 0, 0, 0)
    assert max(right - left, bottom - top) == pytest.approx(EDGE - 2 * MARGIN, abs=2)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_photos_show_something(name: str) -> None:
    with Image.open(SAMPLE / "images" / f"{name}.jpg") as image:
        assert image.size == (EDGE, EDGE)
        assert np.asarray(image).std() > 15


def test_the_sample_stays_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) < 4_000_000
