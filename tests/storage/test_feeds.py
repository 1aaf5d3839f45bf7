"""Feeds that shops have: what they become, whose pictures lie elsewhere, and products that leave."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product as product_of
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from brief.images import ImageRefused, read_image
from brief.plan import plan
from brief.types import Product
from generation.scene.cutout import matte
from generation.score.label import read_lines
from storage.__main__ import main
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.catalog.retiring import restore, retire
from storage.catalog.tables import ShotState
from storage.importing.feeds import Columns, FeedUnusable
from storage.importing.import_catalog import ImportReport, NothingToImport, Options, import_catalog
from storage.importing.packshots import PackshotCheck, PackshotModels, check_packshot
from storage.importing.pictures import RemotePictures, is_public
from tests.storage.pictures import encoded, plain
from tests.storage.samples import BUNDLE, RUN, campaign, environment, persona, plan_of, planned

HEADER = {"User-Agent": "Lookbook"}


class Shop(BaseHTTPRequestHandler):
    """Serves pictures, redirects, and bodies without an end."""

    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append((self.headers["Host"], self.path))
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(bytes(65536))
            except OSError:
                self.close_connection = True
        elif self.path.endswith(".png"):
            data = plain(self.path[1:-4])
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        else:
            self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Nothing goes to the terminal."""


@pytest.fixture
def shop() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    server.asked = []
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Feed:
    """A feed's file and what its rows go into."""

    def __init__(self, folder: Path, catalog: Catalog, objects: Objects) -> None:
        self.folder, self.catalog, self.objects = folder, catalog, objects

    def read(self, name: str, content: str, feed: str | Columns | None, **options: Any) -> ImportReport:
        (self.folder / name).write_text(content, encoding="utf-8")
        wanted = Options(feed=feed, private=True, **options)
        return import_catalog(self.folder / name, self.catalog, self.objects, options=wanted)


@pytest.fixture
def feed(tmp_path: Path, catalog: Catalog, objects: Objects) -> Feed:
    for colour in ("red", "blue", "green"):
        (tmp_path / f"{colour}.png").write_bytes(plain(colour))
    return Feed(tmp_path, catalog, objects)


def test_googles_text_feed_becomes_products_with_pictures_by_url(feed: Feed, shop: Any) -> None:
    views = f"{shop.url}/blue.png,{shop.url}/none"
    head = "id\ttitle\tdescription\timage link\tadditional_image_link\tproduct type\tcolor\tprice\n"
    good = f"MUG-1\tRed mug\tlong\t{shop.url}/red.png\t{views}\tHome > Mugs\tred\t9 EUR\n"
    bad = f"MUG-2\tBlue mug\tlong\t{shop.url}/gone\t\t\t\t\n"
    report = feed.read("feed.txt", head + good + bad, "google")
    (mug,) = feed.catalog.products().values()
    assert (mug.sku, mug.title, mug.category, mug.attributes) == ("MUG-1", "Red mug", "Mugs", {"colour": "red"})
    assert feed.objects.get(mug.packshot.key, mug.packshot.sha256) == plain("red")
    assert [feed.objects.get(view.key) for view in mug.views] == [plain("blue")]
    (refused,) = report.bad
    assert (refused.where, refused.name, refused.field) == ("feed.txt:3", "MUG-2", "packshot")
    assert refused.reason == f"{shop.url}/gone: the server answers 404; correct the URL"
    (said,) = (each for each in report.notices if "view" in each.text)
    assert said.text.startswith(f"MUG-1: a further view is left out: {shop.url}/none: the server answers 404")


XML = """<?xml version="1.0"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>
<item><title>plain title</title><g:id>A</g:id><g:title>Red &amp; white mug</g:title>
  <g:image_link>red.png</g:image_link><g:additional_image_link>blue.png</g:additional_image_link>
  <g:additional_image_link>green.png</g:additional_image_link>
  <g:shipping><g:title>not this</g:title></g:shipping><g:brand>ACME</g:brand></item>
<item><g:id>B</g:id><g:title>no picture</g:title></item>
<item><g:id>C</g:id><g:title>Blue mug</g:title><g:image_link>blue.png</g:image_link></item>
"""


def test_googles_xml_feed_gives_the_same(feed: Feed) -> None:
    report = feed.read("feed.xml", XML + "</channel></rss>", "google")
    products = feed.catalog.products()
    assert (products["A"].title, products["A"].attributes) == ("Red & white mug", {"brand": "ACME"})
    assert [feed.objects.get(view.key) for view in products["A"].views] == [plain("blue"), plain("green")]
    assert products["C"].title == "Blue mug"
    assert [(bad.name, bad.field) for bad in report.bad] == [("B", "packshot")]


@pytest.mark.parametrize(
    ("content", "where", "reason", "loaded"),
    [
        (XML + "<item></channel></rss>", "feed.xml:9", "is not XML (mismatched tag", ["A", "C"]),
        (XML, "feed.xml:9", "is not XML (no element found", ["A", "C"]),
        ('<!DOCTYPE r [<!ENTITY a "aaaa">]><rss>&a;</rss>', "feed.xml:1", "has a DOCTYPE; take it out", []),
        (f"<rss><item><g>{'x' * 1_100_000}</g></item></rss>", "feed.xml:1", "is an item of more than 1,048,576", []),
    ],
)
def test_an_xml_feed_that_breaks_says_where_and_keeps_what_was_read(
    feed: Feed, content: str, where: str, reason: str, loaded: list[str]
) -> None:
    report = feed.read("feed.xml", content, "google")
    assert sorted(feed.catalog.products()) == loaded
    (bad,) = (each for each in report.bad if not each.name)
    assert bad.where == where
    assert reason in bad.reason


SHOPIFY = """\
Handle,Title,Type,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant SKU,Image Src,Variant Image,Status
mug,Mug,Mugs,Colour,Red,Size,S,MUG-R-S,red.png,red.png,active
mug,,,,Red,,L,MUG-R-L,blue.png,red.png,
mug,,,,Blue,,S,MUG-B-S,green.png,blue.png,
bowl,Bowl,Bowls,Title,Default Title,,,,green.png,,active
draft,Draft,Mugs,Title,Default Title,,,D-1,green.png,,draft
,Nameless,,,,,,,,,
"""


def test_shopifys_export_gives_one_product_for_each_picture(feed: Feed) -> None:
    report = feed.read("export.csv", SHOPIFY, "shopify")
    products = feed.catalog.products()
    assert {sku: each.title for sku, each in products.items()} == {
        "MUG-R-S": "Mug Red", "MUG-B-S": "Mug Blue S", "bowl": "Bowl",
    }  # fmt: skip
    assert products["MUG-R-S"].attributes == {"colour": "Red"}
    assert [feed.objects.get(view.key) for view in products["MUG-R-S"].views] == [plain("green")]
    assert feed.objects.get(products["MUG-B-S"].packshot.key) == plain("blue")
    assert [(bad.where, bad.field) for bad in report.bad] == [("export.csv:7", "handle")]


def test_any_table_is_read_when_its_columns_are_named(feed: Feed, capfd: pytest.CaptureFixture[str]) -> None:
    columns = Columns.from_options(["sku=Nr.", "title=Bezeichnung", "packshot=Bild", "attributes.colour=Farbe"])
    report = feed.read("export.csv", "Nr.;Bezeichnung;Bild;Farbe;Lager\n7;Becher;red.png;rot;3\n", columns)
    assert feed.catalog.products()["7"].attributes == {"colour": "rot"}
    assert report.bad == []
    (bad,) = feed.read("export.csv", "Nr.;Bezeichnung\n7;Becher\n", columns).bad
    assert bad.reason == (
        "column 'bild', which fills packshot, is not there; there are nr., bezeichnung. No row was read"
    )
    for options, said in ((["sku=a"], "no column is named for title"), (["size=a"], "'size' is no field"),
                          (["sku"], "names no column")):  # fmt: skip
        with pytest.raises(FeedUnusable, match=said):
            Columns.from_options(options)
    with pytest.raises(NothingToImport, match="is no file; name the feed's file"):
        import_catalog(feed.folder, feed.catalog, feed.objects, options=Options(feed="google"))


def test_pictures_come_from_the_own_bucket_too(feed: Feed) -> None:
    feed.objects.put("incoming/red.png", plain("red"), "image/png")
    bucket = feed.objects.settings.bucket
    rows = [f"A,mug,mug,s3://{bucket}/incoming/red.png", f"B,mug,mug,s3://{bucket}/none.png", "C,mug,mug,s3://other/x"]
    report = feed.read("products.csv", "\n".join(["sku,title,category,packshot", *rows]), None)
    assert list(feed.catalog.products()) == ["A"]
    assert [bad.reason.split(": ", 1)[1].split(";")[0] for bad in report.bad] == [
        "is not in the bucket", f"pictures are read from the bucket '{bucket}' alone",
    ]  # fmt: skip


def test_nothing_is_fetched_from_inside_unless_that_is_allowed(shop: Any, tmp_path: Path) -> None:
    fetching = RemotePictures(1000)
    for url in (shop.url, "http://localhost:1/x.png", "http://[::1]/", "http://169.254.169.254/latest/meta-data"):
        with pytest.raises(ImageRefused, match="which only this network can reach"):
            fetching.fetch(url, tmp_path / "x")
    assert shop.asked == []
    fetching.close()


@pytest.mark.parametrize(
    ("address", "public"),
    [("8.8.8.8", True), ("10.0.0.1", False), ("100.64.0.1", False), ("224.0.0.1", False), ("0.0.0.0", False),  # noqa: S104
     ("::ffff:127.0.0.1", False), ("64:ff9b::a00:1", False), ("2002:7f00:1::", False), ("fd00::1", False),
     ("2606:4700::1111", True)],
)  # fmt: skip
def test_which_addresses_are_public(address: str, public: bool) -> None:
    import ipaddress

    assert is_public(ipaddress.ip_address(address)) is public


def test_a_redirect_inside_is_refused_and_the_checked_address_is_the_one_that_is_called(
    shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, lookups = shop.server_address[1], []
    monkeypatch.setattr("storage.importing.pictures.is_public", lambda address: str(address) == "127.0.0.1")

    def lookup(host: str, at: int, *_: object, **__: object) -> list[Any]:
        address = host
        if not host[0].isdigit():
            lookups.append(host)
            # A name that leads inside when it is asked a second time.
            inside = host == "inner.example" or lookups.count(host) > 1
            address = "127.0.0.2" if inside else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, at))]

    monkeypatch.setattr("socket.getaddrinfo", lookup)
    fetching = RemotePictures(10_000)
    fetching.fetch(f"http://shop.example:{port}/red.png", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == plain("red")
    assert shop.asked == [(f"shop.example:{port}", "/red.png")]
    with pytest.raises(ImageRefused, match=r"leads to 127\.0\.0\.2"):
        fetching.fetch(f"http://other.example:{port}/to/http://inner.example:{port}/red.png", tmp_path / "x")
    monkeypatch.undo()
    monkeypatch.setattr("storage.importing.pictures.is_public", lambda address: True)
    with pytest.raises(ImageRefused, match="is redirected more than 5 times"):
        fetching.fetch(f"{shop.url}/to//to//to//to//to//to//to/", tmp_path / "x")
    fetching.close()


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/endless", "over 1,000 bytes, which is the most"), ("/to/ftp://x/y.png", "only http and https are fetched")],
)
def test_limits_of_a_fetch(shop: Any, tmp_path: Path, path: str, reason: str) -> None:
    fetching = RemotePictures(1000, private=True)
    with pytest.raises(ImageRefused, match=reason):
        fetching.fetch(shop.url + path, tmp_path / "x")
    for url in ("http://", "http://user:secret@host/x.png", f"http://127.0.0.1:{shop.server_address[1]}0/x.png"):
        with pytest.raises(ImageRefused) as refused:
            fetching.fetch(url, tmp_path / "x")
        assert "secret" not in str(refused.value)
    fetching.close()


ROWS = "sku,title,category,packshot\nA,mug,mug,red.png\nB,mug,mug,red.png\nC,mug,mug,red.png\n"


def test_products_that_leave_the_feed_are_retired_and_come_back(feed: Feed) -> None:
    (shots,) = [planned(feed.catalog, ("A", "B", "C"))]
    feed.read("products.csv", ROWS, None)
    report = feed.read("products.csv", ROWS.replace("B,mug,mug,red.png\n", ""), None, replace=True)
    assert (report.retired, sorted(feed.catalog.products())) == (1, ["A", "C"])
    wanted = campaign()
    record = feed.catalog.record_plan(wanted, plan_of(feed.catalog, wanted), RUN)
    assert record.superseded >= 1
    (gone,) = [shot.key for shot in shots if shot.product.sku == "B"]
    assert feed.catalog.states([gone])[gone] is ShotState.SUPERSEDED
    feed.read("products.csv", ROWS, None)
    assert sorted(feed.catalog.products()) == ["A", "B", "C"]


def test_what_a_person_retired_no_feed_brings_back(feed: Feed) -> None:
    feed.read("products.csv", ROWS, None)
    with feed.catalog.begin() as session:
        retire(session, Product, "B", "ann", "sold out")
    feed.read("products.csv", ROWS, None, replace=True)
    assert sorted(feed.catalog.products()) == ["A", "C"]
    with feed.catalog.begin() as session:
        restore(session, Product, "B", "ann")
    assert sorted(feed.catalog.products()) == ["A", "B", "C"]


def test_a_named_product_that_left_is_refused_and_its_shots_go(feed: Feed) -> None:
    shots = planned(feed.catalog, ("A", "B", "C"), products=("A", "B"))
    feed.read("products.csv", ROWS.replace("B,mug,mug,red.png\n", ""), None, replace=True)
    wanted = campaign(products=("A", "B"))
    made = plan_of(feed.catalog, wanted)
    assert dict(made.refused) == {"B": "is not in the catalog, or has left the feed; import it, or take it out"}
    feed.catalog.record_plan(wanted, made, RUN)
    (gone,) = [shot.key for shot in shots if shot.product.sku == "B"]
    assert feed.catalog.states([gone])[gone] is ShotState.SUPERSEDED


def test_a_feed_that_looks_cut_off_retires_nothing(feed: Feed) -> None:
    feed.read("products.csv", ROWS, None)
    cut = "sku,title,category,packshot\nA,mug,mug,red.png\n"
    report = feed.read("products.csv", cut, None, replace=True)
    assert "2 of 3 are not in it, as if the feed was cut off" in report.notices[-1].text
    report = feed.read("products.csv", cut + 'X,"a"b,mug,red.png\n', None, replace=True, most_may_leave=True)
    assert "of the rows that cannot be read nobody knows the SKU" in report.notices[-1].text
    assert sorted(feed.catalog.products()) == ["A", "B", "C"]
    assert feed.read("products.csv", cut, None, replace=True, most_may_leave=True).retired == 2
    # A row that is refused is in the feed all the same.
    feed.read("products.csv", ROWS, None)
    report = feed.read("products.csv", ROWS.replace("B,mug,mug,red.png", "B,mug,mug,none.png"), None, replace=True)
    assert (report.refused, report.retired, sorted(feed.catalog.products())) == (1, 0, ["A", "B", "C"])


def on_white(*rectangles: tuple[tuple[int, int, int, int], Any]) -> Image.Image:
    image = Image.new("RGB", (400, 400), "white")
    for box, colour in rectangles:
        ImageDraw.Draw(image).rectangle(box, fill=colour)
    return image


BODY = (80, 60, 320, 340)


def white_on_white() -> Image.Image:
    """A nearly white body with a logo and a dark foot on white (danielgatis/rembg#382)."""
    return on_white((BODY, (243, 243, 243)), ((160, 130, 240, 210), "red"), ((80, 320, 320, 340), (40, 40, 40)))


def with_shadow() -> Image.Image:
    shadow = Image.new("L", (400, 400), 255)
    ImageDraw.Draw(shadow).ellipse((60, 300, 340, 360), fill=120)
    image = shadow.filter(ImageFilter.GaussianBlur(14)).convert("RGB")
    ImageDraw.Draw(image).rectangle((120, 80, 280, 330), fill="teal")
    return image


def _inverted(value: int) -> int:
    return 255 - value


def with_hole() -> Image.Image:
    """A tag with a hole, or with a white label: nobody can tell."""
    return on_white((BODY, "teal"), ((150, 150, 250, 250), "white"))


def on_the_wall(name: str) -> Image.Image:
    """A product of the sample catalog, photographed before a white wall."""
    with Image.open(SAMPLE / "images" / f"{name}.png") as file:
        product = file.convert("RGBA").resize((320, 320), Image.Resampling.LANCZOS)
    wall = Image.new("RGB", (420, 420), "white")
    wall.paste(product, (50, 50), product)
    return wall


def with_badge(packshot: Image.Image, number: int) -> Image.Image:
    """An offer's badge in one corner of the product, of one of three shapes and four colours."""
    picture, colour = packshot.copy(), ("#e01020", "#ffd800", "#10a040", "#1040d0")[number % 4]
    box = packshot.convert("L").point(lambda value: 255 * (value < 250)).getbbox()
    assert box is not None
    width, height = box[2] - box[0], box[3] - box[1]
    x, y = box[0] + width * (0.22, 0.78)[number % 2], box[1] + height * (0.22, 0.78)[number // 2 % 2]
    half, draw = 0.14 * max(width, height), ImageDraw.Draw(picture)
    if number % 3 == 0:
        draw.ellipse((x - half, y - half, x + half, y + half), fill=colour)
    elif number % 3 == 1:
        draw.rectangle((x - 1.2 * half, y - 0.6 * half, x + 1.2 * half, y + 0.6 * half), fill=colour)
    else:
        draw.regular_polygon((x, y, half), 8, fill=colour)
    words, font = ("SALE", "NEW", "-30%")[number % 3], ImageFont.load_default(int(0.62 * half))
    draw.text((x, y), words, font=font, fill="black" if colour == "#ffd800" else "white", anchor="mm")
    return picture


SAMPLE = Path(__file__).parents[2] / "examples" / "catalog"
SAMPLES = sorted(file.stem for file in (SAMPLE / "images").glob("*.png"))

DOUBTFUL = {
    "white on white": (white_on_white(), "white on white: 82% of what may be the product"),
    "a shadow": (with_shadow(), "a shadow that was baked in"),
    "a hole": (with_hole(), "a hole, or a label: 15% of it has the colour of its ground"),
    "a sticker upon it": (with_badge(on_white((BODY, "teal")), 1), "a sticker: a patch of one colour with marks"),
    "a sticker": (on_white((BODY, "teal"), ((340, 10, 390, 50), "red")), "it shows 2 separate pieces: a sticker"),
    "alpha of one value": (Image.new("RGBA", (90, 90), (200, 10, 10, 200)), "its transparency is no outline"),
    "alpha that is soft all over": (
        Image.merge(
            "RGBA", [*Image.new("RGB", (256, 256), "red").split(), Image.radial_gradient("L").point(_inverted)]
        ),
        "half transparent",
    ),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_is_doubtful_about_a_packshot_is_found(name: str) -> None:
    picture, said = DOUBTFUL[name]
    found = check_packshot(picture)
    assert any(said in doubt for doubt in found.doubts), found
    assert found.cutout is not None


def test_a_sticker_upon_any_product_is_found_and_none_where_there_is_none() -> None:
    found = {
        name: [check_packshot(each).doubts for each in (with_badge(on_the_wall(name), number), on_the_wall(name))]
        for number, name in enumerate(SAMPLES)
    }
    told = {name: ["a sticker:" in " ".join(doubts) for doubts in both] for name, both in found.items()}
    assert sum(with_one for with_one, _ in told.values()) >= 0.9 * len(SAMPLES), told
    assert not any(without for _, without in told.values()), told


def test_a_sticker_is_found_whatever_its_size_and_however_small_its_words() -> None:
    missed = []
    for colour, half, words in product_of(("#ffd800", "#e01020", "#10a040"), (45, 60, 75, 90), (12, 24, 40)):
        picture = Image.new("RGB", (600, 600), "white")
        draw = ImageDraw.Draw(picture)
        draw.rounded_rectangle((150, 120, 450, 520), 40, fill="#5a3ca0")
        draw.ellipse((430 - half, 150 - half, 430 + half, 150 + half), fill=colour)
        ink = "red" if colour == "#ffd800" else "white"
        draw.text((430, 150), "SALE", font=ImageFont.load_default(words), fill=ink, anchor="mm")
        if "a sticker:" not in " ".join(check_packshot(picture).doubts):
            missed.append((colour, half, words))
    assert missed == []


@pytest.mark.parametrize("words", ["SALE", "-20%", "NEW", "Angebot", "50% OFF"])
@pytest.mark.parametrize("colour", ["#e01020", "#8a8f86", "#ffffff", "#30343a"])
def test_an_offer_is_read_whatever_its_sticker_looks_like(words: str, colour: str) -> None:
    """Dull colours and a product's middle too, where no look tells a badge from a print."""
    picture = on_white((BODY, "teal"))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((120, 150, 280, 210), 12, fill=colour)
    ink = "black" if colour == "#ffffff" else "white"
    draw.text((200, 180), words, font=ImageFont.load_default(30), fill=ink, anchor="mm")
    doubts = check_packshot(picture, PackshotModels(words=read_lines)).doubts
    assert f"a sticker: it says {words!r}" in doubts


@pytest.mark.parametrize("words", ["70% COCOA", "100% cotton", "NEWTON", "No. 5", "Wholesale bag", "250 ml"])
def test_what_a_product_is_called_is_no_offer(words: str) -> None:
    picture = on_white((BODY, "teal"))
    ImageDraw.Draw(picture).text((200, 180), words, font=ImageFont.load_default(30), fill="white", anchor="mm")
    assert read_lines(picture) != []
    assert check_packshot(picture, PackshotModels(words=read_lines)) == PackshotCheck()


def test_a_matte_that_leaves_a_shadow_out_lets_the_product_through() -> None:
    """The cut-outs' own model: what it shows to cope with is said, what nobody can tell waits all the same."""
    photographed = _with_soft_shadow(on_the_wall("BPK-ORA-11"))
    assert "a shadow that was baked in" in check_packshot(photographed).doubts[0]
    found = check_packshot(photographed, PackshotModels(matte))
    assert (found.doubts, found.cutout) == ((), None)
    assert "a shadow that was baked in" in found.remarks[0] and "the matte copes with it" in found.remarks[0]
    for held in (with_hole(), with_badge(on_the_wall("BPK-ORA-11"), 0)):
        found = check_packshot(held, PackshotModels(matte))
        assert found.doubts and found.cutout is not None


def _with_soft_shadow(packshot: Image.Image) -> Image.Image:
    product = packshot.convert("L").point(lambda value: 255 * (value < 250))
    fallen = Image.new("L", packshot.size)
    fallen.paste(product.resize((packshot.width, packshot.height // 4)), (10, packshot.height * 5 // 8))
    dark = fallen.filter(ImageFilter.GaussianBlur(14)).point(lambda value: round(0.35 * value))
    shaded = Image.composite(Image.new("RGB", packshot.size), packshot, dark)
    shaded.paste(packshot, mask=product)
    return shaded


def test_the_sample_catalog_waits_for_nobody() -> None:
    for name in SAMPLES:
        assert check_packshot(read_image((SAMPLE / "images" / f"{name}.png").read_bytes(), name)) == PackshotCheck()


def test_clean_packshots_are_not_doubted() -> None:
    noisy = Image.effect_noise((400, 400), 6).point(lambda value: min(255, value + 122)).convert("RGB")
    noisy.paste(on_white((BODY, "teal")).crop(BODY), BODY[:2])
    cut = on_white((BODY, "teal")).convert("RGBA")
    mask = Image.new("L", (400, 400))
    ImageDraw.Draw(mask).ellipse(BODY, fill=255)
    cut.putalpha(mask)
    for clean in (on_white((BODY, "teal")), noisy, cut, Image.new("RGB", (16, 12), "red")):
        assert check_packshot(clean) == PackshotCheck()


def test_a_doubtful_packshot_is_not_used_until_a_person_approves_it(
    feed: Feed, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (feed.folder / "white.png").write_bytes(encoded(white_on_white()))
    rows = "sku,title,category,packshot\nA,mug,mug,red.png\nW,mug,mug,white.png\n"
    report = feed.read("products.csv", rows, None)
    assert (report.refused, report.notices[-1].where) == (0, "products.csv:3")
    assert "W: its packshot waits for approval: white on white" in report.notices[-1].text
    (doubtful,) = feed.catalog.doubtful_packshots()
    assert feed.objects.head(f"catalog/cutouts/{doubtful.packshot.sha256}.png") is not None
    made = _planned(feed.catalog)
    assert {shot.product.sku for shot in made.shots} == {"A"}
    assert "waits for a person's approval (white on white" in made.refused["W"]
    feed.read("products.csv", rows, None)  # a second import finds nothing new and forgets nothing
    assert [each.sku for each in feed.catalog.doubtful_packshots()] == ["W"]
    monkeypatch.setenv("LOOKBOOK_DATABASE_URL", feed.catalog.engine.url.render_as_string(hide_password=False))
    assert main(["packshots"]) == 0
    assert "W: white on white" in capfd.readouterr().out
    assert main(["approve-packshot", "W", "--who", "ana"]) == 0
    assert {shot.product.sku for shot in _planned(feed.catalog).shots} == {"A", "W"}
    feed.read("products.csv", rows.replace("W,mug", "W,white mug"), None)
    assert feed.catalog.doubtful_packshots() == []
    assert main(["approve-packshot", "NONE"]) == 2


def _planned(catalog: Catalog) -> Any:
    places, people = {"beach": environment()}, {"ana": persona()}
    return plan(campaign(), catalog.products(), places, people, BUNDLE)
