"""Importing: good rows load, every bad row is named with its line, field and reason, on both databases."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from brief.face_spec import FaceSpec
from brief.types import Campaign, Framing, Rendition
from storage.__main__ import main
from storage.bucket.errors import ObjectRefused
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.importing.import_catalog import NothingToImport, import_catalog
from storage.importing.lines import BadRow, Line, Notice, TextLines, encoding_of
from storage.importing.tables import OwnColumns, table_rows
from tests.storage.pictures import encoded, plain

MUG = {"sku": "MUG-1", "title": "red mug", "category": "mug", "packshot": "images/mug.png"}
BEACH = {"name": "beach", "description": "on a beach", "photo": "images/beach.jpg"}
ANA = {"name": "ana", "face": {"age_band": "senior", "skin_tone": 4}, "seed": 7}
AUTUMN = {
    "name": "autumn",
    "title": "Autumn",
    "products": [],
    "environments": ["beach"],
    "personas": ["ana"],
    "framings": ["held", "still"],
    "renditions": [{"name": "web", "width": 64, "height": 64}],
}


def write(folder: Path, kind: str, *rows: dict[str, Any] | str) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / f"{kind}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small catalog without faults."""
    here = tmp_path / "my catalog"
    (here / "images").mkdir(parents=True)
    (here / "images" / "mug.png").write_bytes(plain("red"))
    (here / "images" / "beach.jpg").write_bytes(encoded(Image.new("RGB", (30, 20), "tan"), "JPEG"))
    write(here, "products", MUG)
    write(here, "environments", BEACH)
    write(here, "personas", ANA)
    write(here, "campaigns", AUTUMN)
    return here


class AnyColumns(OwnColumns):
    """Takes whatever columns there are."""

    def problem(self, columns: Sequence[str]) -> str | None:
        return None


def read(file: Path) -> list[Line | BadRow | Notice]:
    return list(table_rows(TextLines(file, encoding_of(file)), AnyColumns(Campaign)))


def bad_fields(report_bad: list[BadRow]) -> list[tuple[str, str]]:
    return [(bad.where, bad.field) for bad in report_bad]


def test_a_catalog_loads_with_its_images_under_their_digest(folder: Path, catalog: Catalog, objects: Objects) -> None:
    report = import_catalog(folder, catalog, objects)
    assert (report.bad, report.notices) == ([], [])
    mug = catalog.products()["MUG-1"]
    assert mug.packshot.sha256 == hashlib.sha256(plain("red")).hexdigest()
    assert mug.packshot.key == f"catalog/packshots/{mug.packshot.sha256}.png"
    assert objects.get(mug.packshot.key, mug.packshot.sha256) == plain("red")
    photo = catalog.environments()["beach"].photo
    assert objects.head(photo.key).content_type == "image/jpeg"  # type: ignore[union-attr]
    assert catalog.personas()["ana"].face == FaceSpec(age_band="senior", skin_tone=4)
    (campaign,) = catalog.campaigns()
    assert campaign.framings == (Framing.HELD, Framing.STILL)
    assert campaign.renditions == (Rendition("web", 64, 64),)


def test_a_place_may_say_where_its_surface_is(folder: Path, catalog: Catalog, objects: Objects) -> None:
    (folder / "environments.jsonl").unlink()
    rows = (
        "beach,on a beach,images/beach.jpg,0.66",
        "hall,in a hall,images/beach.jpg,",
        "sky,high,images/beach.jpg,12",
    )
    (folder / "environments.csv").write_text("\n".join(("name,description,photo,surface", *rows)))
    report = import_catalog(folder, catalog, objects)
    assert [(bad.where, bad.field) for bad in report.bad] == [("environments.csv:4", "surface")]
    assert {name: place.surface for name, place in catalog.environments().items()} == {"beach": 0.66, "hall": None}


def test_importing_again_changes_only_what_changed(folder: Path, catalog: Catalog, objects: Objects) -> None:
    shared = {**ANA, "name": "zoe", "portrait": "images/mug.png"}
    write(folder, "personas", ANA, shared)
    write(folder, "environments", BEACH, {**BEACH, "name": "studio", "photo": "images/mug.png"})
    import_catalog(folder, catalog, objects)
    again = import_catalog(folder, catalog, objects)
    assert [(each.new, each.changed, each.unchanged) for each in again.counts.values()] == [
        (0, 0, 1), (0, 0, 2), (0, 0, 2), (0, 0, 1),
    ]  # fmt: skip
    (folder / "images" / "mug.png").write_bytes(plain("blue"))
    changed = import_catalog(folder, catalog, objects)
    assert (changed.counts["products"].changed, changed.counts["environments"].changed) == (1, 1)


PRODUCTS = (
    MUG,
    {**MUG, "sku": "NO-IMAGE", "packshot": "images/none.png"},
    "{not json",
    "",
    {**MUG, "title": "again"},
    {**MUG, "sku": "CMYK", "packshot": "images/cmyk.jpg"},
    {**MUG, "sku": "CUT", "packshot": "images/cut.png"},
    {**MUG, "sku": "WIDE", "packshot": "images/wide.png"},
    {"sku": "BARE", "title": "bare", "category": "mug"},
    {**MUG, "sku": "TYPO", "tilte": "x"},
    {**MUG, "sku": " "},
    {**MUG, "sku": 12},
    "[1, 2]",
    {**MUG, "sku": "MUG-2"},
)
PERSONAS = (
    ANA,
    {**ANA, "name": "old", "face": {"age_band": "ancient"}},
    {**ANA, "name": "x", "seed": -1},
)
BAD_ROWS = {
    "products.jsonl:2": ("packshot", "cannot be read (No such file or directory)"),
    "products.jsonl:3": ("", "is not JSON"),
    "products.jsonl:5": ("sku", "'MUG-1' is on line 1 already"),
    "products.jsonl:6": ("packshot", "CMYK without a colour profile"),
    "products.jsonl:7": ("packshot", "damaged or cut off"),
    "products.jsonl:8": ("packshot", "20000 x 2 pixels, at most 12,000"),
    "products.jsonl:9": ("packshot", "names no image"),
    "products.jsonl:10": ("tilte", "no such field; known are attributes, category, packshot, sku, title"),
    "products.jsonl:11": ("sku", "is empty"),
    "products.jsonl:12": ("sku", "12 is not taken: it should be a valid string"),
    "products.jsonl:13": ("", "not an object"),
    "personas.jsonl:2": ("face.age_band", "'ancient' is not one of young adult"),
    "personas.jsonl:3": ("seed", "-1 is not taken: it should be greater than or equal to 0"),
}


def test_every_bad_row_is_named_and_the_good_ones_load(folder: Path, catalog: Catalog, objects: Objects) -> None:
    (folder / "images" / "cmyk.jpg").write_bytes(encoded(Image.new("CMYK", (8, 8)), "JPEG"))
    (folder / "images" / "cut.png").write_bytes(encoded(Image.effect_noise((64, 64), 80))[:700])
    (folder / "images" / "wide.png").write_bytes(encoded(Image.new("1", (20_000, 2))))
    write(
        folder,
        "products",
        *PRODUCTS,
    )
    write(
        folder,
        "personas",
        *PERSONAS,
    )
    report = import_catalog(folder, catalog, objects)
    assert sorted(catalog.products()) == ["MUG-1", "MUG-2"]
    assert sorted(catalog.personas()) == ["ana"]
    by_line = {bad.where: bad for bad in report.bad}
    assert by_line.keys() == BAD_ROWS.keys()
    for where, (field, reason) in BAD_ROWS.items():
        assert by_line[where].field == field
        assert reason in by_line[where].reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"environments": []}, "list of environments is empty"),
        ({"personas": ["nobody"]}, "persona 'nobody' is not in the catalog, which has ana"),
        ({"products": ["MUG-9"]}, "product 'MUG-9' is not in the catalog, nor is any other"),
        (
            {"renditions": [{"name": "web", "width": 1, "height": 1, "format": "gif"}]},
            "format is 'gif', it must be one of webp, jpeg",
        ),
        ({"max_takes": 0}, "0 is not taken: it should be greater than or equal to 1"),
        ({"variants": 999_999_999}, "it should be less than or equal to 100"),
        ({"prompt": "x" * 1001}, "has 1,001 characters, at most 1,000 are taken"),
        ({"thresholds": {"product": 7}}, "it should be less than or equal to 1"),
    ],
)
def test_a_campaign_that_cannot_be_planned_is_refused(
    folder: Path, catalog: Catalog, objects: Objects, change: dict[str, Any], reason: str
) -> None:
    write(folder, "campaigns", {**AUTUMN, **change}, {**AUTUMN, "name": "spring"})
    report = import_catalog(folder, catalog, objects)
    assert [campaign.name for campaign in catalog.campaigns()] == ["spring"]
    (bad,) = report.bad
    assert (bad.where, bad.name) == ("campaigns.jsonl:1", "autumn")
    assert reason in bad.reason


def test_a_campaign_may_bring_a_picture_whose_style_is_taken_on(
    folder: Path, catalog: Catalog, objects: Objects
) -> None:
    write(folder, "campaigns", {**AUTUMN, "style": "images/beach.jpg"}, {**AUTUMN, "name": "plain"})
    for _ in range(2):
        assert import_catalog(folder, catalog, objects).bad == []
        styled, plain_one = catalog.campaigns(["autumn"])[0], catalog.campaigns(["plain"])[0]
        assert plain_one.style is None and styled.style is not None
        assert objects.get(styled.style.key, styled.style.sha256) == (folder / "images" / "beach.jpg").read_bytes()
    write(folder, "campaigns", {**AUTUMN, "style": "images/none.jpg"})
    assert bad_fields(import_catalog(folder, catalog, objects).bad) == [("campaigns.jsonl:1", "style")]


def test_one_file_can_be_imported_alone(folder: Path, catalog: Catalog, objects: Objects) -> None:
    import_catalog(folder / "products.jsonl", catalog, objects)
    assert list(catalog.products()) == ["MUG-1"]
    assert catalog.environments() == {}
    assert import_catalog(folder / "campaigns.jsonl", catalog, objects).bad[0].name == "autumn"


def test_csv_holds_the_same_rows(tmp_path: Path) -> None:
    file = tmp_path / "campaigns.csv"
    file.write_text(
        "\ufeffname,environments,face.age_band,face.freckles,renditions,note\r\n"
        'autumn,beach; forest,senior,true,"[{""name"": ""web""}]",\r\n'
        "\r\n"
        '"two\nlines",beach,,,,x\r\n'
        "wide,a,b,c,d,e,f\r\n"
        "odd,[beach,,,,\r\n",
        encoding="utf-8",
        newline="",
    )
    first, second, wide, odd = read(file)
    assert first == Line(
        file,
        2,
        {
            "name": "autumn",
            "environments": ["beach", "forest"],
            "face": {"age_band": "senior", "freckles": "true"},
            "renditions": [{"name": "web"}],
        },
    )
    assert second == Line(file, 4, {"name": "two\nlines", "environments": ["beach"], "note": "x"})
    assert isinstance(wide, BadRow)
    assert (wide.where, wide.reason.split(";")[0]) == ("campaigns.csv:6", "has 7 cells under 6 columns")
    assert isinstance(odd, BadRow)
    assert odd.reason.startswith("environments: the cell begins like JSON but is not")


def test_csv_values_get_their_types(folder: Path, catalog: Catalog, objects: Objects) -> None:
    (folder / "personas.jsonl").unlink()
    (folder / "personas.csv").write_text(
        "name,seed,face.skin_tone,face.freckles,face.hair_style\nana,7,4,true,bob\nben,8,eleven,,\n", encoding="utf-8"
    )
    report = import_catalog(folder, catalog, objects)
    assert catalog.personas()["ana"].face == FaceSpec(skin_tone=4, freckles=True, hair_style="bob")
    assert bad_fields(report.bad) == [("personas.csv:3", "face.skin_tone")]


@pytest.mark.parametrize(
    ("encoding", "notice"),
    [
        ("utf-8", []),
        ("utf-8-sig", []),
        ("cp1252", ["read as cp1252; save it as UTF-8 if letters look wrong"]),
        ("utf-16", ["read as utf-16; save it as UTF-8 if letters look wrong"]),
        ("utf-16-le", ["read as utf-16-le; save it as UTF-8 if letters look wrong"]),
    ],
)
def test_a_file_in_another_encoding_is_read_and_that_is_said(
    folder: Path, catalog: Catalog, objects: Objects, encoding: str, notice: list[str]
) -> None:
    (folder / "products.jsonl").unlink()
    text = "sku,title,category,packshot\nC,Café Größe,mug,images/mug.png\n"
    (folder / "products.csv").write_bytes(text.encode(encoding))
    report = import_catalog(folder, catalog, objects)
    assert (report.bad, [each.text for each in report.notices]) == ([], notice)
    assert catalog.products()["C"].title == "Café Größe"


@pytest.mark.parametrize(("delimiter", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_cells_may_be_separated_otherwise_and_that_is_said(tmp_path: Path, delimiter: str, name: str) -> None:
    file = tmp_path / "campaigns.csv"
    file.write_text(delimiter.join(["Name", "TITLE", "prompt"]) + "\n" + delimiter.join(["a", "b, c", "d"]) + "\n")
    notice, line = read(file)
    assert notice == Notice("campaigns.csv", f"read with {name} between the cells")
    assert line == Line(file, 2, {"name": "a", "title": "b, c", "prompt": "d"})


def test_a_folder_without_a_catalog_says_what_is_expected(tmp_path: Path, catalog: Catalog, objects: Objects) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(NothingToImport, match=r"products\.jsonl.*\.csv"):
            import_catalog(path, catalog, objects)
    write(tmp_path, "products", MUG)
    (tmp_path / "products.csv").write_text("sku\n", encoding="utf-8")
    with pytest.raises(NothingToImport, match="keep one"):
        import_catalog(tmp_path, catalog, objects)


def test_a_bucket_that_refuses_leaves_the_catalog_without_rows(
    folder: Path, catalog: Catalog, objects: Objects
) -> None:
    stranger = Objects(replace(objects.settings, secret_key="guess"))
    with pytest.raises(ObjectRefused):
        import_catalog(folder, catalog, stranger)
    assert catalog.products() == {}
    import_catalog(folder, catalog, objects)
    assert list(catalog.products()) == ["MUG-1"]


@pytest.fixture
def environment(postgres_url: str, objects: Objects, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The variables by which the command finds its servers."""
    found = objects.settings
    values = {
        "LOOKBOOK_DATABASE_URL": postgres_url,
        "LOOKBOOK_S3_ENDPOINT": found.endpoint,
        "LOOKBOOK_S3_ACCESS_KEY": found.access_key,
        "LOOKBOOK_S3_SECRET_KEY": found.secret_key,
        "LOOKBOOK_S3_BUCKET": found.bucket,
    }
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    yield


@pytest.mark.usefixtures("environment")
def test_the_command_migrates_imports_and_tells(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 2
    assert "python -m storage migrate" in capfd.readouterr().err
    assert main(["migrate"]) == 0
    assert main(["import", str(folder)]) == 0
    assert "0 rows refused" in capfd.readouterr().out
    write(folder, "products", MUG, {**MUG, "sku": "CUP", "packshot": "images/[none].png"})
    assert main(["import", str(folder)]) == 1
    told = capfd.readouterr()
    assert "1 rows refused" in told.out
    assert "products.jsonl:2 'CUP' packshot: images/[none].png: cannot be read" in told.err
    assert main(["status"]) == 0
    assert "autumn: no shots yet" in capfd.readouterr().out
    assert main(["import", str(folder / "images")]) == 2


def test_the_command_without_a_database_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LOOKBOOK_DATABASE_URL", raising=False)
    assert main(["status"]) == 2
    assert "LOOKBOOK_DATABASE_URL is not set" in capfd.readouterr().err
