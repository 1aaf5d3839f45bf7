"""The gallery: what is shown, to whom, and what never is."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from brief.recipe import portrait_key
from brief.types import ImageRef, Product, Publication, Verdict
from storage.bucket import keys as object_keys
from storage.bucket.objects import Objects
from storage.catalog import runs
from storage.catalog.catalog import Catalog
from storage.catalog.records import StageOutput
from storage.catalog.runs import RunKey
from tests.plugins.conftest import as_role, png
from tests.storage.samples import BUNDLE, persona, planned, product, scored


class Links(HTMLParser):
    """Links, image sources and images without words of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.images: list[str] = []
        self.wordless = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found: dict[str, Any] = dict(attrs)
        if tag == "a":
            self.links.append(found["href"])
        if tag == "img":
            self.images.append(found["src"])
            self.wordless += not found.get("alt")


def links(html: str) -> Links:
    parser = Links()
    parser.feed(html)
    return parser


@pytest.fixture
def published(catalog: Catalog, objects: Objects) -> str:
    """Key of a shot that was published by run "run-2", its images in the bucket; a second one has failed."""
    shot, bad = planned(catalog, ("MUG-1", "MUG-2"), prompt="<b>dawn</b>")
    take, _ = scored(catalog, shot, value=0.91)
    master = objects.put(object_keys.master(shot, "1"), png(), "image/png").ref
    manifest = objects.put(object_keys.manifest(shot), b'{"seed": "told"}', "application/json").ref
    catalog.record_publication(
        Publication(shot.key, take.key, master, {"hero": master}, manifest, "A mug at dawn"), RunKey("catalog", "run-2")
    )
    catalog.record_failure(bad.key, "compose", "packshot is lost")
    return shot.key


def test_the_contact_sheet_shows_states_scores_and_reasons(pages: TestClient, published: str) -> None:
    html = pages.get("/gallery/").text
    assert "2 shots" in html
    assert f"/gallery/shot/{published}" in html
    assert "product 0.91" in html
    assert "packshot is lost" in html


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("state=published", 1),
        ("state=failed", 1),
        ("state=", 2),
        ("sku=MUG-1", 1),
        ("persona=nobody", 0),
        ("campaign=autumn&environment=beach", 2),
        ("text=mug-1", 1),
        ("text=BEACH+ana", 2),
        ("framing=still", 0),
        ("sku=MUG-2&order=sku", 1),
    ],
)
def test_filters(pages: TestClient, published: str, query: str, count: int) -> None:
    assert f"<p>{count} shot" in pages.get(f"/gallery/?{query}").text


def test_a_run_shows_its_own_shots_and_numbers_and_no_other_dag_s(
    pages: TestClient, published: str, catalog: Catalog
) -> None:
    with catalog.begin() as session:
        runs.record_run(session, RunKey("catalog", "nightly"), {}, {}, [[published]])
    html = pages.get("/gallery/run/catalog/nightly").text
    assert "1 of 1 done" in html
    assert "<p>1 shot" in html
    assert "data-refresh" in html
    assert f"/gallery/shot/{published}" in html
    for elsewhere in ("/gallery/run/upkeep/nightly", "/gallery/run/catalog/other"):
        assert "has not planned any shots" in pages.get(elsewhere).text
        assert "/gallery/shot/" not in pages.get(elsewhere).text
    with catalog.begin() as session:
        runs.end_run(session, RunKey("catalog", "nightly"))
    ended = pages.get("/gallery/run/catalog/nightly").text
    assert "the run ended on" in ended
    assert "data-refresh" not in ended


def test_pages_follow_each_other_by_marks(pages: TestClient, catalog: Catalog) -> None:
    planned(catalog, tuple(f"MUG-{number:03}" for number in range(60)))
    first = pages.get("/gallery/?order=sku").text
    (after,) = {link for link in links(first).links if "after=" in link}
    second = pages.get(after).text
    shown = [{link for link in links(html).links if "/shot/" in link} for html in (first, second)]
    assert [len(each) for each in shown] == [48, 12]
    assert shown[0].isdisjoint(shown[1])
    assert pages.get("/gallery/?after=nonsense").status_code == 422


def test_published_files_can_be_taken_away(pages: TestClient, published: str, objects: Objects) -> None:
    rows = pages.get("/gallery/published.json?text=mug").json()
    assert [(row["sku"], row["rendition"]) for row in rows] == [("MUG-1", "master"), ("MUG-1", "hero")]
    assert rows[0]["alt_text"] == "A mug at dawn"
    assert pages.get(rows[0]["url"]).content == png()
    assert pages.get("/gallery/published.csv").text.count("MUG-1") >= 2
    archive = zipfile.ZipFile(io.BytesIO(pages.get(f"/gallery/pictures.zip?shot={published}").content))
    assert sorted(archive.namelist()) == [f"MUG-1/{published}/{name}.png" for name in ("hero", "master")]
    assert archive.read(f"MUG-1/{published}/master.png") == png()
    assert pages.get("/gallery/pictures.zip?shot=unknown").status_code == 404


def pictures_of(objects: Objects) -> list[str]:
    """All that is published but the lists of what is live."""
    return [key for key in objects.list_keys("published/") if "/current." not in key]


def test_a_withdrawn_picture_leaves_bucket_and_lists(
    pages: TestClient, published: str, catalog: Catalog, objects: Objects
) -> None:
    viewer = as_role("VIEWER")
    assert pages.post(f"/gallery/shot/{published}/withdraw", data={"why": "x"}, headers=viewer).status_code == 403
    assert pages.post(f"/gallery/shot/{published}/withdraw", data={"why": ""}).status_code == 422
    assert pages.post(f"/gallery/shot/{published}/withdraw", data={"why": "not our logo"}).status_code == 303
    assert pictures_of(objects) == []
    assert pages.get("/gallery/published.json").json() == []
    assert catalog.history(published).record.reason == "withdrawn by the-admin: not our logo"
    assert pages.post(f"/gallery/shot/{published}/withdraw", data={"why": "again"}).status_code == 409


def test_what_is_retired_is_listed_and_taken_down_by_who_may(
    pages: TestClient, published: str, catalog: Catalog, objects: Objects
) -> None:
    way, viewer = "/gallery/retired", as_role("VIEWER")
    shot = catalog.history(published).record.shot
    assert "Nothing is published that is not wanted any more" in pages.get(way).text
    retired = {"kind": "product", "name": shot.product.sku, "why": "sold out"}
    assert pages.post(way, data=retired, headers=viewer).status_code == 403
    assert pages.post(way, data={**retired, "name": "NOT-THERE"}).status_code == 404
    assert pages.post(way, data={**retired, "kind": "nonsense"}).status_code == 422
    assert pages.post(way, data=retired).status_code == 303
    page = pages.get(way).text
    assert "Use it again" in page
    assert f'value="{published}"' in page
    assert "Use it again" not in pages.get(way, headers=viewer).text
    chosen = {"shot": [published], "why": "sold out"}
    assert pages.post(f"{way}/withdraw", data=chosen, headers=viewer).status_code == 403
    assert pages.post(f"{way}/withdraw", data=chosen).status_code == 303
    assert pages.post(f"{way}/withdraw", data=chosen).status_code == 303  # somebody else was faster
    assert pictures_of(objects) == []
    assert f'value="{published}"' not in pages.get(way).text
    assert f"product {shot.product.sku}" in pages.get(f"/gallery/audit?action=retire&text={shot.product.sku}").text
    assert pages.post(f"{way}/restore", data=retired).status_code == 303
    assert catalog.retired(Product) == frozenset()


def test_a_doubtful_packshot_is_approved_by_who_may_decide(
    pages: TestClient, catalog: Catalog, objects: Objects
) -> None:
    doubtful = replace(product("A/B"), doubts=("white on white",))
    catalog.save_products([doubtful, product("GOOD-1")])
    objects.put(object_keys.cutout(doubtful.packshot.sha256), png(), "image/png")
    shown = pages.get("/gallery/packshots").text
    assert "white on white" in shown
    assert "cut-out of A/B" in shown
    assert "GOOD-1" not in shown
    viewer = as_role("VIEWER")
    assert "Good as it is" not in pages.get("/gallery/packshots", headers=viewer).text
    assert pages.post("/gallery/packshots", data={"sku": "A/B"}, headers=viewer).status_code == 403
    assert pages.post("/gallery/packshots", data={"sku": "A/B"}).status_code == 303
    assert "No packshot waits" in pages.get("/gallery/packshots").text
    assert pages.post("/gallery/packshots", data={"sku": "nonsense"}).status_code == 404


def test_another_candidate_becomes_the_portrait(
    pages: TestClient, catalog: Catalog, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gallery_web import stores

    from pipeline.run import Run

    service: Any = SimpleNamespace(bundle=lambda: BUNDLE)  # which says by what the candidates are named
    monkeypatch.setattr(stores, "run", lambda: Run(catalog, objects, service, RunKey("", "")))
    ana = persona("ana")
    catalog.save_personas([ana])
    first, second = (
        f"{object_keys.candidates(portrait_key(ana, BUNDLE.fingerprint))}{number}.png" for number in (1, 2)
    )
    for key, colour in ((first, (9, 9, 9)), (second, (200, 9, 9))):
        objects.put(key, png(colour), "image/png")
    shown = pages.get("/gallery/personas/ana").text
    assert shown.count("Take this one") == 2
    assert pages.get("/gallery/personas/nobody").status_code == 404
    viewer = as_role("VIEWER")
    assert pages.post("/gallery/personas/ana", data={"candidate": second}, headers=viewer).status_code == 403
    assert pages.post("/gallery/personas/ana", data={"candidate": "catalog/x.png"}).status_code == 422
    assert pages.post("/gallery/personas/ana", data={"candidate": second}).status_code == 303
    chosen = catalog.personas()["ana"].portrait
    assert chosen is not None
    assert objects.get(chosen.key) == png((200, 9, 9))
    assert chosen.key in pages.get("/gallery/personas/ana").text


def test_making_again_withdraws_and_asks_for_another_take(
    pages: TestClient, published: str, catalog: Catalog, objects: Objects
) -> None:
    form = {"why": "too cold", "words": "warm light", "guidance": "6.5"}
    assert pages.post(f"/gallery/shot/{published}/retake", data=form).status_code == 303
    new = catalog.takes([published])[published][-1].take
    assert (new.number, new.words, new.changes) == (2, "warm light", {"guidance": 6.5})
    assert pictures_of(objects) == []
    assert "asked for: warm light" in pages.get(f"/gallery/shot/{published}").text
    assert pages.post(f"/gallery/shot/{published}/retake", data=form | {"guidance": "99"}).status_code == 409


def test_heat_maps_are_asked_for_on_a_shots_page_and_shown_there(
    pages: TestClient, published: str, catalog: Catalog, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gallery_web import changing

    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(changing, "start_heat_maps", lambda *about: asked.append(about))
    assert "<button>Heat maps</button>" in pages.get(f"/gallery/shot/{published}").text
    answer = pages.post(f"/gallery/shot/{published}/heat-maps")
    assert asked == [(published, "the-admin")]
    assert "Heat maps are on their way" in pages.get(answer.headers["location"]).text
    viewer = as_role("VIEWER")
    assert "<button>Heat maps</button>" not in pages.get(f"/gallery/shot/{published}", headers=viewer).text
    assert pages.post(f"/gallery/shot/{published}/heat-maps", headers=viewer).status_code == 403
    assert pages.post("/gallery/shot/none/heat-maps").status_code == 404
    sheet = object_keys.attribution(catalog.takes([published])[published][-1].take)
    objects.put(sheet, png(), "image/png")
    page = pages.get(f"/gallery/shot/{published}").text
    assert "<button>Heat maps</button>" not in page
    assert sheet in page
    assert len(asked) == 1


def test_a_shot_shows_its_history_and_foreign_text_stays_text(pages: TestClient, published: str) -> None:
    html = pages.get(f"/gallery/shot/{published}").text
    for said in ("run-2", "Seed", "Take 1", "&#34;seed&#34;: &#34;told&#34;", "hero", "&lt;b&gt;dawn&lt;/b&gt;"):
        assert said in html
    assert "<b>dawn</b>" not in html


def test_every_image_of_every_page_has_words_and_every_link_leads_somewhere(
    pages: TestClient, published: str, objects: Objects
) -> None:
    pages_of_shots = ("/gallery/", f"/gallery/shot/{published}?state=published", "/gallery/reviews")
    for way in (*pages_of_shots, "/gallery/campaigns", "/gallery/campaigns/autumn", "/gallery/runs"):
        found = links(pages.get(way).text)
        assert found.wordless == 0
        inside = [link for link in found.links if not link.startswith("#") and "/image/" not in link]
        assert {pages.get(link).status_code for link in inside} == {200}
        assert all(link.startswith("/gallery/") for link in [*inside, *found.images])


def test_images_come_as_they_are_or_as_previews(pages: TestClient, published: str, catalog: Catalog) -> None:
    asset = catalog.history(published).record.publication
    assert asset is not None
    whole = pages.get(f"/gallery/image/{asset.master.key}")
    assert (whole.content, whole.headers["content-type"]) == (png(), "image/png")
    assert "immutable" in whole.headers["cache-control"]
    preview = pages.get(f"/gallery/image/{asset.master.key}?width=160")
    assert preview.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(preview.content)).size == (160, 120)


def test_a_preview_is_kept_and_goes_with_what_it_shows(
    pages: TestClient, published: str, catalog: Catalog, objects: Objects
) -> None:
    from gallery_web import images

    asset = catalog.history(published).record.publication
    assert asset is not None
    shown = pages.get(f"/gallery/image/{asset.master.key}?width=160").content
    (kept,) = objects.list_keys("previews/")
    assert objects.get(kept) == shown
    images._preview.cache_clear()
    assert pages.get(f"/gallery/image/{asset.master.key}?width=160").content == shown
    assert pages.post(f"/gallery/shot/{published}/withdraw", data={"why": "not our logo"}).status_code == 303
    assert list(objects.list_keys("previews/")) == []


@pytest.mark.parametrize(
    "key", ["secrets/key.png", "published/%2e%2e/secrets/key.png", "takes/x.html", "published/a.png?width=9999", ""]
)
def test_nothing_else_of_the_bucket_is_shown(pages: TestClient, objects: Objects, key: str) -> None:
    objects.put("secrets/key.png", b"not for you", "image/png")
    answer = pages.get(f"/gallery/image/{key}")
    assert answer.status_code == 404
    assert b"not for you" not in answer.content


def test_nobody_and_strangers_see_nothing(pages: TestClient, published: str) -> None:
    for way in ("/gallery/", f"/gallery/shot/{published}", "/gallery/reviews", "/gallery/image/takes/x.png"):
        assert pages.get(way, headers=as_role(None)).status_code == 401
        assert pages.get(way, headers={"Authorization": "Bearer forged"}).status_code in {401, 403}
    assert pages.get("/gallery/", headers=as_role("VIEWER")).status_code == 200


def test_what_is_missing_is_said_plainly(pages: TestClient) -> None:
    answer = pages.get("/gallery/shot/unknown")
    assert answer.status_code == 404
    assert "is not in the catalog" in answer.text
    assert pages.get("/gallery/?state=x").status_code == 422


def test_pages_load_nothing_from_elsewhere(pages: TestClient) -> None:
    answer = pages.get("/gallery/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "style=" not in answer.text
    for way in ("/gallery/static/gallery.css", "/gallery/static/gallery.js"):
        assert pages.get(way).status_code == 200


class TestReviews:
    """Deciding."""

    @pytest.fixture
    def review(self, catalog: Catalog) -> int:
        (shot,) = planned(catalog)
        take, _ = scored(catalog, shot, verdict=Verdict.REVIEW)
        return catalog.open_review(shot.key, take.key, ["the product is small"])

    def test_the_doubtful_picture_is_beside_what_it_was_made_from(self, pages: TestClient, review: int) -> None:
        html = pages.get(f"/gallery/reviews/{review}").text
        for said in ("the product is small", "packshot of MUG-1", "photo of beach", "portrait of ana", 'data-key="a"'):
            assert said in html

    def test_an_answer_is_recorded_with_who_and_why(self, pages: TestClient, review: int, catalog: Catalog) -> None:
        form = {"decision": "reject", "reason": "face is wrong", "note": "no <i>eyes</i>"}
        answer = pages.post(f"/gallery/reviews/{review}", data=form)
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            f"/gallery/reviews?done={review}&said=Rejected",
        )
        decided = catalog.review(review)
        assert decided.decided_by == "the-admin"
        assert decided.note == "face is wrong; no <i>eyes</i>"
        html = pages.get("/gallery/reviews").text
        assert "Nothing waits" in html
        assert "no &lt;i&gt;eyes" in html
        assert "face is wrong; no &lt;i&gt;eyes" in pages.get("/gallery/audit?text=FACE").text
        assert "the-admin,reject,autumn,MUG-1" in pages.get("/gallery/audit.csv").text

    def test_a_rejection_without_a_reason_is_refused(self, pages: TestClient, review: int, catalog: Catalog) -> None:
        answer = pages.post(f"/gallery/reviews/{review}", data={"decision": "reject"})
        assert answer.status_code == 409
        assert "say why" in answer.text
        assert catalog.review(review).decision is None

    def test_the_second_of_two_answers_is_told_who_was_first(self, pages: TestClient, review: int) -> None:
        assert pages.post(f"/gallery/reviews/{review}", data={"decision": "approve"}).status_code == 303
        late = pages.post(f"/gallery/reviews/{review}", data={"decision": "reject", "note": "dark"})
        assert late.status_code == 409
        assert "approved by the-admin" in late.text

    def test_another_take_is_asked_for_with_words_and_strengths(
        self, pages: TestClient, review: int, catalog: Catalog
    ) -> None:
        form = {"decision": "retake", "note": "too cold", "words": "warm", "product_strength": "1.2", "guidance": ""}
        assert pages.post(f"/gallery/reviews/{review}", data=form).status_code == 303
        shot = catalog.review(review).shot.key
        new = catalog.takes([shot])[shot][-1].take
        assert (new.number, new.words, new.changes) == (2, "warm", {"product_strength": 1.2})

    def test_many_are_answered_at_once_and_taken_back(self, pages: TestClient, catalog: Catalog) -> None:
        ids = []
        for shot in planned(catalog, ("MUG-1", "MUG-2", "MUG-3")):
            take, _ = scored(catalog, shot, verdict=Verdict.REVIEW)
            ids.append(catalog.open_review(shot.key, take.key, ["dark"]))
        assert '<span class="count" title="3 wait' in pages.get("/gallery/").text
        catalog.decide(ids[2], "approve", "ben")
        answer = pages.post("/gallery/reviews/bulk", data={"decision": "approve", "ids": ids})
        assert answer.status_code == 303
        html = pages.get(answer.headers["location"]).text
        assert "2 approved; 1 had been answered already" in html
        assert {catalog.review(each).decided_by for each in ids[:2]} == {"the-admin"}
        assert pages.post("/gallery/reviews/undo", data={"ids": f"{ids[0]},{ids[1]}"}).status_code == 303
        assert [each.id for each in catalog.reviews()] == ids[:2]
        nothing = {"decision": "reject", "ids": ids[:2]}
        assert pages.post("/gallery/reviews/bulk", data=nothing).status_code == 409
        assert pages.post("/gallery/reviews/undo", data={"ids": "x"}).status_code == 422

    def test_an_answer_goes_on_to_the_next_of_the_search(self, pages: TestClient, catalog: Catalog) -> None:
        ids = []
        for shot in planned(catalog, ("MUG-1", "VASE-1", "MUG-2")):
            take, _ = scored(catalog, shot, verdict=Verdict.REVIEW)
            ids.append((shot.product.sku, catalog.open_review(shot.key, take.key, ["dark"])))
        mugs = [number for sku, number in ids if sku.startswith("MUG")]
        answer = pages.post(f"/gallery/reviews/{mugs[0]}?text=mug-", data={"decision": "approve"})
        assert answer.headers["location"].startswith(f"/gallery/reviews/{mugs[1]}?text=mug-&done={mugs[0]}")
        assert "Undo" in pages.get(answer.headers["location"]).text

    def test_a_viewer_looks_but_does_not_decide(self, pages: TestClient, review: int, catalog: Catalog) -> None:
        viewer = as_role("VIEWER")
        assert "may look but not decide" in pages.get("/gallery/reviews", headers=viewer).text
        answer = pages.post(f"/gallery/reviews/{review}", data={"decision": "approve"}, headers=viewer)
        assert answer.status_code == 403
        assert catalog.review(review).decision is None

    def test_another_site_cannot_answer_for_a_user(self, pages: TestClient, review: int, catalog: Catalog) -> None:
        form = {"decision": "approve"}
        answer = pages.post(f"/gallery/reviews/{review}", data=form, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403
        assert catalog.review(review).decision is None

    @pytest.mark.parametrize(
        ("origin", "status"),
        [
            ("http://testserver", 303),
            ("http://blog.testserver", 403),
            ("http://testserver:9777", 403),
            ("https://evil.example", 403),
            ("null", 403),
        ],
    )
    def test_over_plain_http_the_origin_tells_another_site(
        self, pages: TestClient, review: int, catalog: Catalog, origin: str, status: int
    ) -> None:
        answer = pages.post(f"/gallery/reviews/{review}", data={"decision": "approve"}, headers={"Origin": origin})
        assert answer.status_code == status
        assert (catalog.review(review).decision is None) is (status == 403)

    def test_a_named_reviewer_decides_without_the_right_to_start_dags(
        self, pages: TestClient, review: int, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__LOOKBOOK__REVIEWERS", "somebody, the-viewer")
        viewer = as_role("VIEWER")
        assert pages.post(f"/gallery/reviews/{review}", data={"decision": "approve"}, headers=viewer).status_code == 303
        assert catalog.review(review).decided_by == "the-viewer"

    @pytest.mark.parametrize("form", [{"decision": "maybe"}, {"decision": "reject", "reason": "mood"}, {}])
    def test_answers_that_are_none_are_refused(self, pages: TestClient, review: int, form: dict[str, str]) -> None:
        assert pages.post(f"/gallery/reviews/{review}", data=form).status_code == 422
        assert pages.post("/gallery/reviews/999", data={"decision": "approve"}).status_code == 404


def test_personas_are_shown_with_the_portraits_that_are_recorded(pages: TestClient, catalog: Catalog) -> None:
    planned(catalog)
    html = pages.get("/gallery/personas").text
    assert "senior" in html
    assert "/gallery/image/portraits/" not in html
    catalog.record_portrait("a" * 32, persona(), StageOutput(ImageRef("portraits/a.png", "0" * 64)))
    assert "/gallery/image/portraits/a.png" in pages.get("/gallery/personas").text


@pytest.mark.parametrize(
    "address",
    [
        "?sku=%00",
        "?campaign=a%00b",
        "?after=~",
        "?after=2026-01-01~%00",
        "?text=%00",
        "published.json?text=%00",
        "audit?before=99999999999999999999",
        "shot/%00",
        "shot/" + "a" * 5000,
        "run/x/%00",
        "run/%00/x",
        "reviews?after=1~1" + "0" * 30,
        "reviews?order=best&after=1e999~9223372036854775807",
        "image/takes/a%00.png",
        "image/takes/a%5Cb.png",
        "image/takes//b.png",
    ],
)
def test_no_address_is_a_server_error(pages: TestClient, published: str, address: str) -> None:
    answer = pages.get(f"/gallery/{address}")
    assert answer.status_code in {404, 422}
    assert "<h1>" in answer.text


@pytest.mark.parametrize("review", ["2147483648", "9" * 40, "0", "-1"])
def test_a_review_that_cannot_be_is_refused(pages: TestClient, review: str) -> None:
    assert pages.post(f"/gallery/reviews/{review}", data={"decision": "approve"}).status_code in {404, 422}


@pytest.mark.parametrize("size", [(12000, 1), (1, 12000), (3, 3), (5000, 4000)])
def test_every_shape_has_a_preview(pages: TestClient, objects: Objects, size: tuple[int, int]) -> None:
    key = objects.put(f"catalog/packshots/{size[0]}x{size[1]}.png", png(size=size), "image/png").ref.key
    preview = Image.open(io.BytesIO(pages.get(f"/gallery/image/{key}?width=160").content))
    assert preview.width <= 160
    assert preview.height <= 640


def test_who_is_not_signed_in_is_led_to_the_log_in_and_back(pages: TestClient) -> None:
    answer = pages.get("/gallery/?sku=MUG-1", headers=as_role(None))
    assert answer.status_code == 401
    (login,) = [link for link in links(answer.text).links if "/login" in link]
    assert "sku%3DMUG-1" in login


def test_every_answer_forbids_sniffing(pages: TestClient, published: str) -> None:
    for way in ("/gallery/", "/gallery/nowhere", "/gallery/static/gallery.css"):
        assert pages.get(way).headers["x-content-type-options"] == "nosniff"
