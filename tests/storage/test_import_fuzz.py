"""A minute of damaged catalogs and feeds through the whole door: nothing but refused rows may come of them."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.importing.feeds import Columns
from storage.importing.import_catalog import ImportReport, NothingToImport, Options, import_catalog
from tests.storage.pictures import encoded, plain

SECONDS = 60
GOOD = {"sku": "GOOD", "title": "red mug", "category": "mug", "packshot": "m.png"}
ROWS: dict[str, list[dict[str, object]]] = {
    "products": [{**GOOD, "sku": "P-1"}, {**GOOD, "sku": "P-2", "attributes": {"colour": "red"}, "views": ["m.png"]}],
    "environments": [{"name": "beach", "description": "on a beach", "photo": "m.png"}],
    "personas": [{"name": "ana", "face": {"age_band": "senior", "skin_tone": 4}, "seed": 7, "portrait": "m.png"}],
    "campaigns": [
        {"name": "autumn", "title": "Autumn", "products": ["P-1"], "environments": ["beach"], "personas": ["ana"],
         "framings": ["held"], "renditions": ["story", {"name": "web", "width": 64, "height": 64}], "thresholds": {}},
    ],
}  # fmt: skip
SHOPIFY = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Image Src,Status\nmug,Mug,Colour,Red,S-1,m.png,active\n"
GOOGLE = "id\ttitle\timage_link\tadditional_image_link\nG-1\tRed mug\tm.png\tm.png,m.png\n"
XML = (
    '<?xml version="1.0"?><rss xmlns:g="http://base.google.com/ns/1.0"><channel><item><g:id>X-1</g:id>'
    "<title>Red mug</title><g:image_link>m.png</g:image_link></item></channel></rss>"
)
FEEDS: dict[str, tuple[str, str | Columns]] = {
    "export.csv": (SHOPIFY, "shopify"),
    "feed.txt": (GOOGLE, "google"),
    "feed.xml": (XML, "google"),
    "table.csv": ("Nr;Name;Bild\n7;Becher;m.png\n", Columns({"nr": "sku", "name": "title", "bild": "packshot"})),
}
BITS = [
    b"\0", b'"', b"'", b",", b";", b"\t", b"\n", b"\r", b"[", b"{", b"}", b"]", b"<", b"&", b"<!DOCTYPE a>", b"\xff",
    b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"\xef\xbb\xbf", b"null", b"NaN", b"1e999", b"[" * 3000, b"9" * 5000,
    b"x" * 5000, b"../", b"/dev/zero", b"m.png", b"bad.png", b"http://127.0.0.1:1/x", b"s3://tests/x", b"\xe2\x80\xae",
    b"products", b"doubts", b"views", b"preset",
]  # fmt: skip


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Some bytes put in, taken out, doubled or changed."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        place = chance.randint(0, len(data))
        match chance.randrange(5):
            case 0:
                data[place:place] = chance.choice(BITS)
            case 1:
                del data[place : place + chance.randint(1, 20)]
            case 2:
                data[place:place] = data[max(0, place - chance.randint(1, 40)) : place]
            case 3 if place < len(data):
                data[place] = chance.randrange(256)
            case _:
                data[place : place + chance.randint(1, 8)] = chance.choice(BITS)
    return bytes(data)


def as_lines(kind: str, chance: random.Random) -> tuple[str, bytes]:
    rows = ROWS[kind]
    if chance.random() < 0.5:
        return f"{kind}.jsonl", "\n".join(map(json.dumps, rows)).encode()
    names = sorted({name for row in rows for name in row})
    cells = [[_cell(row.get(name, "")) for name in names] for row in rows]
    return f"{kind}.csv", "\n".join(",".join(line) for line in [names, *cells]).encode()


def _cell(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return '"' + text.replace('"', '""') + '"'


@pytest.fixture
def attempt(tmp_path: Path, catalog: Catalog, objects: Objects) -> Callable[[random.Random], ImportReport | None]:
    (tmp_path / "m.png").write_bytes(plain("red"))

    def once(chance: random.Random) -> ImportReport | None:
        picture = damaged(
            encoded(Image.effect_noise((24, 16), 80), chance.choice(["PNG", "JPEG", "WEBP", "TIFF"])), chance
        )
        (tmp_path / "bad.png").write_bytes(picture)
        feed = None
        if chance.random() < 0.5:
            name, content = as_lines(chance.choice(sorted(ROWS)), chance)
        else:
            name = chance.choice(sorted(FEEDS))
            text, feed = FEEDS[name]
            content = text.encode(chance.choice(["utf-8", "utf-16", "cp1252"]))
        file = tmp_path / name
        file.write_bytes(damaged(content, chance))
        try:
            options = Options(feed=feed, replace=chance.random() < 0.2)
            return import_catalog(file, catalog, objects, options=options)
        except NothingToImport:
            return None
        finally:
            file.unlink()

    return once


@pytest.mark.filterwarnings("ignore")  # Pillow warns of much that it then reads
def test_a_minute_of_damaged_files_breaks_nothing(
    attempt: Callable[[random.Random], ImportReport | None], tmp_path: Path, catalog: Catalog, objects: Objects
) -> None:
    seed, start = time.time_ns(), time.monotonic()
    tries = refused = 0
    while time.monotonic() - start < SECONDS:
        try:
            report = attempt(random.Random(seed + tries))  # noqa: S311
        except Exception as error:
            raise AssertionError(f"random.Random({seed + tries}) breaks the import") from error
        tries += 1
        for bad in report.bad if report else ():
            refused += 1
            assert bad.where and bad.reason
            assert (bad.where + bad.name + bad.field + bad.reason).isprintable(), f"random.Random({seed + tries - 1})"
    assert refused > tries / 10
    (tmp_path / "products.jsonl").write_text(json.dumps(GOOD))
    assert import_catalog(tmp_path / "products.jsonl", catalog, objects).bad == []
    assert catalog.products()["GOOD"].title == "red mug"
