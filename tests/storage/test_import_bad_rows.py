"""The importer's door: whatever a row holds, it is refused with its line, field, reason and remedy, and the good rows
beside it are loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.catalog.errors import CatalogRefused, CatalogUnreachable
from storage.importing.import_catalog import ImportReport, Options, import_catalog
from storage.importing.lines import BadRow
from storage.migrations import migrate
from tests.storage.pictures import plain
from tests.storage.samples import product

GOOD = {"sku": "GOOD-{}", "title": "red mug", "category": "mug", "packshot": "m.png"}
DEEP = "[" * 100_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("door") / "catalog"
    here.mkdir()
    (here / "m.png").write_bytes(plain("red"))
    (here.parent / "outside.png").write_bytes(plain("blue"))
    (here / "link.png").symlink_to(here.parent / "outside.png")
    (here / "folder.png").mkdir()
    os.mkfifo(here / "pipe.png")
    return here


def good(number: int) -> dict[str, Any]:
    return {**GOOD, "sku": GOOD["sku"].format(number)}


@pytest.fixture
def door(folder: Path, postgres_url: str, objects: Objects) -> Iterator[Door]:
    catalog = Catalog.at(postgres_url)
    migrate(catalog.engine)
    yield Door(folder, catalog, objects)
    for file in folder.glob("*s.*"):
        file.rmdir() if file.is_dir() else file.unlink()
    catalog.engine.dispose()


class Door:
    """A catalog's folder and what its rows go into."""

    def __init__(self, folder: Path, catalog: Catalog, objects: Objects) -> None:
        self.folder = folder
        self.catalog = catalog
        self.objects = objects

    def products(self, content: bytes, suffix: str = "jsonl") -> ImportReport:
        (self.folder / f"products.{suffix}").write_bytes(content)
        return import_catalog(self.folder, self.catalog, self.objects)

    def with_good_ones(self, row: str | bytes) -> ImportReport:
        """One row of JSON Lines between two good ones."""
        middle = row if isinstance(row, bytes) else row.encode("utf-8", "surrogatepass")
        return self.products(b"\n".join([json.dumps(good(1)).encode(), middle, json.dumps(good(2)).encode()]))

    def only_bad(self, report: ImportReport) -> BadRow:
        """The one bad row of a report, once the good ones were found in the catalog."""
        assert sorted(self.catalog.products()) == ["GOOD-1", "GOOD-2"]
        (bad,) = report.bad
        assert report.refused == 1
        assert bad.reason.isprintable()
        return bad


def row(**changes: Any) -> str:
    return json.dumps({**GOOD, "sku": "BAD", **changes})


HOSTILE: dict[str, tuple[str | bytes, str, str]] = {
    "NUL in a title": (row(title="a\0b"), "title", "character 2 is a control character (U+0000); take it out"),
    "NUL in a SKU": (row(sku="a\0b"), "sku", "character 2 is a control character (U+0000)"),
    "NUL in an attribute": (row(attributes={"colour": "\0"}), "attributes.colour", "control character (U+0000)"),
    "NUL in an attribute's name": (row(attributes={"\0": "red"}), "attributes", "control character (U+0000)"),
    "NUL in a path": (row(packshot="m\0.png"), "packshot", "control character (U+0000)"),
    "NUL in the file": (b'{"sku": "a\0"}', "", "is not JSON"),
    "lone surrogate in a title": (row(title="red \ud83d"), "title", "half a character (a lone surrogate)"),
    "lone surrogate in a path": (row(packshot="a\ud800.png"), "packshot", "half a character"),
    "lone surrogate in a field's name": (row(**{"\ud800": 1}), "\\ud800", "no such field"),
    "deep JSON": (DEEP, "", "is nested too deeply"),
    "deep JSON in a field": (f'{{"sku": {"[" * 500}{"]" * 500}}}', "sku", "lists or objects within each other"),
    "10 MB line": (row(title="x" * 10_000_000), "", "is longer than 4 million characters; shorten it"),
    "1 MB title": (row(title="x" * 1_000_000), "title", "has 1,000,000 characters, at most 300"),
    "long SKU": (row(sku="x" * 3000), "sku", "has 3,000 characters, at most 128 are taken; shorten it"),
    "long category": (row(category="x" * 3000), "category", "at most 1,000"),
    "long field name": (row(**{"x" * 100_000: 1}), "x" * 80 + "...", "no such field"),
    "long path": (row(packshot="x" * 100_000), "packshot", "cannot be read (File name too long)"),
    "device": (row(packshot="/dev/zero"), "packshot", "lies outside the catalog's folder; copy it there, or allow it"),
    "pipe": (row(packshot="pipe.png"), "packshot", "is no file but a folder, device or pipe"),
    "folder": (row(packshot="folder.png"), "packshot", "is no file but a folder, device or pipe"),
    "absolute path": (row(packshot="/etc/hostname"), "packshot", "lies outside the catalog's folder"),
    "path upwards": (row(packshot="../outside.png"), "packshot", "lies outside the catalog's folder"),
    "link outside": (row(packshot="link.png"), "packshot", "lies outside the catalog's folder"),
    "key twice": ('{"sku": "BAD", "title": "a", "title": "b"}', "title", "is there twice in this object; keep one"),
    "NaN": ('{"sku": NaN}', "", "NaN is no number"),
    "a number of 5,000 digits": (f'{{"sku": {"9" * 5000}}}', "", "is not JSON"),
    "invisible letter": (row(sku="A\u200b"), "sku", "character 2 is an invisible character (U+200B); take it out"),
    "odd space within": (row(sku="A\u00a0B"), "sku", "a space of unusual width (U+00A0)"),
    "turned text": (row(title="a\u202eb"), "title", "an invisible character (U+202E)"),
    "terminal codes": (row(sku="\x1b[31mA"), "sku", "control character (U+001B)"),
    "damaged text": (row(title="Caf\ufffd"), "title", "U+FFFD"),
    "list for a title": (row(title=["a"]), "title", "should be a valid string"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_row_is_refused_and_its_neighbours_are_loaded(name: str, door: Door) -> None:
    content, field, reason = HOSTILE[name]
    bad = door.only_bad(door.with_good_ones(content))
    assert bad.where == "products.jsonl:2"
    assert bad.field == field
    assert reason in bad.reason


CSV_HEAD = "sku,title,category,packshot\n"


def test_a_line_that_is_not_utf8_in_a_file_that_is_takes_no_other_along(door: Door) -> None:
    greek = {**good(1), "title": "κούπα"}
    broken = b'{"sku": "Gr\xfc\xdfe"}'
    lines = [json.dumps(greek, ensure_ascii=False).encode(), broken, json.dumps(good(2)).encode()]
    bad = door.only_bad(door.products(b"\n".join(lines)))
    assert (bad.where, bad.reason) == (
        "products.jsonl:2", "byte 0xFC at character 12 is not UTF-8; save the file as UTF-8",
    )  # fmt: skip


BROKEN_CSV: dict[str, tuple[str, str]] = {
    "a letter after a closing quote": ('BAD,"5" mug",mug,m.png', 'write a quote within quotes twice: "5"" mug"'),
    "an unclosed quote": ('BAD,"5 inch mug,mug,m.png', "has a quote that is never closed"),
    "a long cell": (f"BAD,{'x' * 131_073},mug,m.png", "has a cell of more than 131,072 characters"),
    "a NUL": ("BAD,a\0b,mug,m.png", "control character (U+0000)"),
    "too many cells": ("BAD,a,b,c,d,e", "has 6 cells under 4 columns; quote cells with commas"),
    "deep JSON": (f'BAD,mug,mug,"{DEEP}"', "nested too deeply"),
}


@pytest.mark.parametrize("name", BROKEN_CSV)
def test_a_broken_row_of_a_csv_does_not_take_the_rest_along(name: str, door: Door) -> None:
    broken, reason = BROKEN_CSV[name]
    content = f"{CSV_HEAD}GOOD-1,red mug,mug,m.png\n{broken}\nGOOD-2,red mug,mug,m.png\n"
    bad = door.only_bad(door.products(content.encode(), "csv"))
    assert bad.where == "products.csv:3"
    assert reason in bad.reason


def test_a_quote_that_is_never_closed_swallows_no_more_than_its_line(door: Door) -> None:
    rows = [f"S{number},red mug,mug,m.png" for number in range(300)]
    rows.insert(3, 'BAD,"open,mug,m.png')
    report = door.products((CSV_HEAD + "\n".join(rows)).encode(), "csv")
    assert len(door.catalog.products()) == 300
    assert [(bad.where, bad.reason) for bad in report.bad] == [
        ("products.csv:5", "has a quote that is not closed within 200 lines; close or double it")
    ]


@pytest.mark.parametrize(
    ("content", "field", "reason"),
    [
        ("sku,title,title,packshot\nA,a,b,m.png\n", "title", "is the name of two columns; keep one"),
        ("sku,tilte\nA,a\n", "", "column 'tilte' is not known; known are attributes, category, packshot, sku, title"),
        ("", "", "is empty; the first line must name the columns"),
    ],
)
def test_a_header_that_cannot_be_used_is_said_once(door: Door, content: str, field: str, reason: str) -> None:
    report = door.products(content.encode(), "csv")
    (bad,) = report.bad
    assert (bad.where, bad.field) == ("products.csv:1", field)
    assert reason in bad.reason


def test_a_table_without_rows_is_said(door: Door) -> None:
    (notice,) = door.products(CSV_HEAD.encode(), "csv").notices
    assert notice.text == "holds no rows, only the names of its columns"


def test_a_folder_called_like_a_file_does_not_hide_the_others(door: Door) -> None:
    (door.folder / "personas.csv").mkdir()
    os.mkfifo(door.folder / "environments.jsonl")
    report = door.products(json.dumps(good(1)).encode())
    assert list(door.catalog.products()) == ["GOOD-1"]
    assert [(bad.where, bad.reason.split(";")[0]) for bad in report.bad] == [
        ("environments.jsonl", "is no file but a device or pipe"),
        ("personas.csv", "is a folder"),
    ]


def test_files_outside_the_folder_are_taken_when_allowed(door: Door) -> None:
    (door.folder / "products.jsonl").write_text(row(sku="A", packshot="../outside.png"))
    report = import_catalog(door.folder, door.catalog, door.objects, options=Options(outside=True))
    assert (report.bad, list(door.catalog.products())) == ([], ["A"])


def test_devices_are_refused_even_when_files_outside_are_allowed(door: Door) -> None:
    (door.folder / "products.jsonl").write_text(row(packshot="/dev/zero"))
    (bad,) = import_catalog(door.folder, door.catalog, door.objects, options=Options(outside=True)).bad
    assert "is no file but a folder, device or pipe" in bad.reason


def test_names_are_trimmed_and_normal_and_those_that_look_alike_are_told(door: Door) -> None:
    skus = ["A", " A ", "A\u00a0", "a", "\u00c4", "A\u0308", "\uff21"]
    report = door.products("\n".join(row(sku=sku) for sku in skus).encode())
    assert sorted(door.catalog.products()) == ["A", "a", "\u00c4", "\uff21"]
    assert [(bad.where, bad.reason) for bad in report.bad] == [
        ("products.jsonl:2", "'A' is on line 1 already; keep one of them"),
        ("products.jsonl:3", "'A' is on line 1 already; keep one of them"),
        ("products.jsonl:6", "'\u00c4' is on line 5 already; keep one of them"),
    ]
    assert [(each.where, each.text) for each in report.notices] == [
        ("products.jsonl:4", "'a' looks like 'A': is it another?"),
        ("products.jsonl:7", "'\uff21' looks like 'A': is it another?"),
    ]


def test_a_row_that_the_database_refuses_is_named_and_the_database_is_not_called_dead(door: Door) -> None:
    with door.catalog.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE product ADD CHECK (title <> 'forbidden')")
    bad = door.only_bad(door.with_good_ones(row(title="forbidden")))
    assert (bad.where, bad.name) == ("products.jsonl:2", "BAD")
    assert bad.reason.startswith("the catalog's database refuses this: new row for relation")


def test_only_a_database_that_is_not_there_does_not_answer(door: Door) -> None:
    with pytest.raises(CatalogRefused, match="index row size"):
        door.catalog.save_products([_with_a_long_sku()])
    gone = Catalog.at("postgresql+psycopg://nobody:x@127.0.0.1:1/none")
    with pytest.raises(CatalogUnreachable, match="does not answer"):
        gone.products()


def _with_a_long_sku() -> Any:
    long = product()
    object.__setattr__(long, "sku", os.urandom(3000).hex())
    return long


TEXT = st.text(st.characters(), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*GOOD, "attributes", "name", "face", "seed"]) | TEXT
ROWS = st.dictionaries(FIELDS, VALUES, max_size=6) | st.fixed_dictionaries(
    {"sku": TEXT, "title": TEXT, "category": TEXT, "packshot": st.just("m.png") | TEXT}
)
JSON_LINES = ROWS.map(lambda values: json.dumps(values).encode())
"""With every escape that JSON knows, lone surrogates among them."""
BYTES = st.binary(max_size=60).map(lambda data: b"x" + data.replace(b"\n", b" ").replace(b"\r", b" "))


@settings(deadline=None, max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(JSON_LINES | BYTES, max_size=6))
def test_no_json_row_whatever_stops_the_others(door: Door, rows: list[bytes]) -> None:
    lines = [json.dumps(good(1)).encode(), *rows, json.dumps(good(2)).encode()]
    report = door.products(b"\n".join(lines))
    _all_accounted_for(door, report, sum(1 for line in lines if line.strip()))


CELLS = st.text(st.sampled_from("ab,;\"'\n\r\t[{ \0\u200b\u00e9\U0001f600"), max_size=12)
CSV_LINES = st.lists(CELLS, min_size=1, max_size=6).map(",".join).map(str.encode)


@settings(deadline=None, max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CSV_LINES | BYTES, max_size=6))
def test_no_csv_row_whatever_stops_the_others(door: Door, rows: list[bytes]) -> None:
    # The last good row comes after a line that closes whatever quote may be open.
    lines = [CSV_HEAD.strip().encode(), b"GOOD-1,red mug,mug,m.png", *rows, b'""', b"GOOD-2,red mug,mug,m.png"]
    report = door.products(b"\n".join(lines), "csv")
    _all_accounted_for(door, report, None)


def _all_accounted_for(door: Door, report: ImportReport, rows: int | None) -> None:
    found = door.catalog.products()
    assert {"GOOD-1", "GOOD-2"} <= found.keys()
    counts = report.counts["products"]
    assert rows is None or counts.good + counts.refused == rows
    for bad in report.bad:
        assert bad.where.startswith("products.")
        assert bad.reason and (bad.where + bad.name + bad.field + bad.reason).isprintable()
