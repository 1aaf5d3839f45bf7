"""Channels: what a rendition shows, which rules it keeps, and what becomes of renditions that change later."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw

from brief.channels import MOST_ADDED, PRESETS, expanded, window
from brief.plan import PlanError, check_campaign
from brief.types import Area, Campaign, Composition, Framing, ImageRef, Publication, Rendition, Shot
from generation.scene.collage import contact_shadow, paste_product
from pipeline.commands import main
from pipeline.current import withdraw, write_current
from pipeline.publish import Publishing, publish
from pipeline.renditions import Rendered, Sources, render
from pipeline.run import Run
from pipeline.settle import publish_approved, refresh_renditions, settle
from service.client import GenerationClient
from storage.bucket import keys as object_keys
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.catalog.decisions import NotAllowed, decide, undo
from storage.catalog.records import StageOutput, TakeRecord
from storage.catalog.reviews import labelled_takes
from storage.catalog.tables import Decision, ShotState
from tests.pipeline.test_publish import MADE_BY, picture, refined
from tests.storage.pictures import encoded
from tests.storage.samples import RUN, campaign, environment, persona, plan_of, planned, scored

PRODUCT, FACE = Area(0.0, 0.4, 0.3, 0.8), Area(0.35, 0.1, 0.6, 0.5)
NOWHERE = GenerationClient("http://127.0.0.1:1", "nobody is asked")


def on_red(edge: int = 512, product: Area = PRODUCT) -> Image.Image:
    """A red picture with a blue product."""
    image = Image.new("RGB", (edge, edge), "red")
    box = (product.left * edge, product.top * edge, product.right * edge - 1, product.bottom * edge - 1)
    ImageDraw.Draw(image).rectangle(box, fill="blue")
    return image


def cut_out() -> Image.Image:
    return Image.new("RGBA", (300, 600), (20, 30, 160, 255))


SOURCES = Sources(cut_out, lambda size: Image.new("RGB", size, "red"), lambda product: None)


def rendered(wanted: Rendition, areas: dict[str, Area] | None = None, edge: int = 512) -> Rendered:
    return render(on_red(edge), wanted, areas if areas is not None else {"product": PRODUCT}, SOURCES, b"<x/>")


def opened(made: Rendered) -> Image.Image:
    with Image.open(io.BytesIO(made.data)) as file:
        file.load()
        return file.convert("RGB")


def blue_share(image: Image.Image) -> float:
    pixels = np.asarray(image).astype(int)
    return float(((pixels[..., 2] - pixels[..., 0]) > 100).mean())


def test_a_crop_about_the_middle_would_cut_the_product_and_the_chosen_window_does_not() -> None:
    made = rendered(Rendition("story", 288, 512, "png"))
    assert made.problems == ()
    # All of its 0.3 x 0.4 of the picture is in the 9:16 window.
    assert blue_share(opened(made)) == pytest.approx(0.3 * 0.4 / (9 / 16), abs=0.01)


def test_where_no_window_holds_both_the_picture_is_continued_or_a_person_asked() -> None:
    areas = {"product": Area(0.1, 0.5, 0.5, 0.8), "face": Area(0.45, 0.1, 0.8, 0.5)}
    extended = render(on_red(512, areas["product"]), Rendition("tall", 256, 400, "png"), areas, SOURCES, b"")
    assert (extended.problems, 0 < extended.added <= MOST_ADDED) == ((), True)
    assert blue_share(opened(extended)) > 0
    story = rendered(
        Rendition("story", 1080, 1920), {"product": Area(0.0, 0.4, 0.4, 0.8), "face": Area(0.6, 0, 1, 0.5)}
    )
    (problem,) = story.problems
    assert problem.startswith("rendition 'story': no part of the picture of shape")
    assert problem.endswith("compose the campaign in that shape (its width and height), or take another framing")


AREAS = st.tuples(*[st.integers(0, 99)] * 2, *[st.integers(1, 100)] * 2).map(
    lambda n: Area(n[0] / 100, n[1] / 100, min(1.0, (n[0] + n[2]) / 100), min(1.0, (n[1] + n[3]) / 100))
)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.tuples(*[st.integers(64, 4000)] * 2), st.tuples(*[st.integers(4, 40)] * 2), AREAS, AREAS)
def test_no_window_cuts_what_it_must_hold_in_silence(
    picture: tuple[int, int], shape: tuple[int, int], product: Area, face: Area
) -> None:
    found = window(picture, shape, {"product": product, "face": face})
    width, height = picture
    for area in (product, face):
        assert found.left <= area.left * width + 1 and found.right >= area.right * width - 1
        assert found.top <= area.top * height + 1 and found.bottom >= area.bottom * height - 1
    assert (found.added <= MOST_ADDED + 0.001) or found.problem
    assert found.size[0] * shape[1] == pytest.approx(found.size[1] * shape[0], abs=max(shape) * 1.01)


@pytest.mark.parametrize("name", [name for name in PRESETS if not name.startswith("layer-")])
def test_every_preset_keeps_its_rules_on_a_large_picture(name: str) -> None:
    wanted = Rendition(**expanded(name))
    made = rendered(wanted, {"product": Area(0.35, 0.35, 0.65, 0.65)}, edge=2200)
    image = opened(made)
    if wanted.fill:
        # The packshot is 600 pixels high: nothing is made up, so the frame is smaller and too small for zoom.
        assert made.problems == (
            f"rendition '{name}': its shorter edge has 706 pixels, its channel wants 1000: compose the campaign "
            "larger, deliver larger packshots, or allow enlarging",
        )
        made = rendered(replace(wanted, enlarge=True))
        image = opened(made)
        product: np.ndarray = np.asarray(image).min(axis=2) < 200
        rows = np.flatnonzero(product.any(axis=1))
        assert (rows[-1] - rows[0] + 1) / image.height == pytest.approx(0.85, abs=0.01)
        assert image.getpixel((3, 3)) == (255, 255, 255)
    assert made.problems == ()
    assert (image.size, min(image.size) >= wanted.min_edge) == ((wanted.width, wanted.height), True)
    assert not wanted.max_bytes or len(made.data) <= wanted.max_bytes
    with Image.open(io.BytesIO(made.data)) as file:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(file.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(profile)


@pytest.mark.parametrize("kind", ["jpeg", "png", "avif"])
def test_colour_keeps_its_resolution_where_labels_need_it(kind: str) -> None:
    label = Image.new("RGB", (64, 64), (0, 0, 255))
    for x in range(0, 64, 2):
        ImageDraw.Draw(label).line((x, 0, x, 63), fill=(255, 0, 0))
    spread = {
        full: np.asarray(opened(render(label, Rendition("a", 64, 64, kind, 95, full_colour=full), {}, SOURCES, b"")))
        for full in (True, False)
    }
    errors = {
        full: np.abs(pixels.astype(int) - np.asarray(label).astype(int)).mean() for full, pixels in spread.items()
    }
    assert errors[True] < 15
    assert kind == "png" or errors[False] > 2 * errors[True]


def test_a_file_that_is_too_large_loses_quality_first_and_is_refused_at_last() -> None:
    noise = Image.effect_noise((512, 512), 120).convert("RGB")
    fits = render(noise, Rendition("a", 512, 512, "jpeg", 95, max_bytes=150_000), {}, SOURCES, b"")
    assert (fits.problems, len(fits.data) <= 150_000, fits.quality < 95) == ((), True, True)
    (problem,) = render(noise, Rendition("a", 512, 512, "jpeg", 95, max_bytes=5000), {}, SOURCES, b"").problems
    assert "bytes at the lowest quality, its channel takes 5,000" in problem


def _laid_out(shadow: Image.Image | None) -> Image.Image:
    """A person, and a product that stands in front of a place and is put in as refinement does it."""
    picture = _place((256, 256))
    if shadow is not None:
        picture = Image.composite(Image.new("RGB", picture.size), picture, shadow)
    ImageDraw.Draw(picture).ellipse((20, 40, 120, 250), fill=(30, 60, 200))
    return paste_product(picture, _placed())


def _place(size: tuple[int, int]) -> Image.Image:
    return Image.linear_gradient("L").resize(size).point(lambda value: 100 + value // 3).convert("RGB")


def _placed() -> Image.Image:
    layer = Image.new("RGBA", (256, 256))
    bottle = Image.new("RGBA", (300, 600))
    ImageDraw.Draw(bottle).rounded_rectangle((0, 0, 299, 599), 120, fill=(20, 130, 60, 255))
    layer.paste(bottle.resize((64, 128), Image.Resampling.LANCZOS), (128, 64))
    return layer


def _layers(
    picture: Image.Image, names: tuple[str, ...], aside: float = 0.2
) -> dict[str, tuple[Image.Image, Rendered]]:
    def bottle() -> Image.Image:
        return _placed().crop((128, 64, 192, 192))

    sources = Sources(bottle, _place, lambda product: contact_shadow(product, aside))
    made = {
        name: render(
            picture, Rendition(**expanded(f"layer-{name}")), {"product": Area(0.5, 0.25, 0.75, 0.75)}, sources, b""
        )
        for name in names
    }
    return {name: (Image.open(io.BytesIO(each.data)), each) for name, each in made.items()}


@pytest.mark.parametrize("names", [("place", "shadow", "person", "product"), ("place", "drawn", "product")])
def test_the_layers_of_a_picture_give_the_picture(names: tuple[str, ...]) -> None:
    picture = _laid_out(contact_shadow(_placed(), 0.2))
    layers = _layers(picture, names)
    whole = Image.new("RGBA", picture.size)
    for name, (layer, made) in layers.items():
        assert (made.problems, made.notes, made.size) == ((), (), picture.size)
        assert name == "place" or layer.getchannel("A").getextrema()[0] == 0
        whole.alpha_composite(layer.convert("RGBA"))
    apart = np.abs(np.asarray(whole.convert("RGB")).astype(int) - np.asarray(picture).astype(int))
    assert apart.max() <= 3


def test_person_and_shadow_are_layers_of_their_own() -> None:
    layers = _layers(_laid_out(contact_shadow(_placed(), 0.2)), ("shadow", "person"))
    shadow, person = (layers[name][0].getchannel("A") for name in ("shadow", "person"))
    assert shadow.getbbox() is not None and np.asarray(layers["shadow"][0])[..., :3].max() == 0
    assert np.asarray(person)[150, 70] == 255  # in the middle of the person
    under = (170, 196)  # below the bottle, where only its shadow falls
    assert np.asarray(shadow)[under[::-1]] > 40
    assert np.asarray(person)[under[::-1]] == 0


def test_a_shadow_that_a_model_drew_is_said_to_be_the_persons() -> None:
    painted = _laid_out(None)
    ImageDraw.Draw(painted).rectangle((130, 192, 240, 215), fill=(20, 15, 40))
    layers = _layers(painted, ("shadow", "person"))
    assert layers["shadow"][0].getchannel("A").getbbox() is None
    assert layers["person"][0].getchannel("A").getpixel((200, 205)) == 255
    for _, made in layers.values():
        assert "a model drew the shadow" in made.notes[0]


def test_nothing_is_enlarged_unless_that_is_allowed() -> None:
    wanted = Rendition("web", 1024, 512, "png")
    assert (rendered(wanted).size, rendered(wanted).enlarged) == ((512, 256), 1.0)
    grown = rendered(replace(wanted, enlarge=True))
    assert (grown.size, grown.enlarged) == ((1024, 512), 2.0)
    (problem,) = rendered(replace(wanted, min_edge=500)).problems
    assert "its shorter edge has 256 pixels, its channel wants 500" in problem


@pytest.mark.parametrize(
    ("rendition", "said"),
    [(Rendition("a", 90, 90, "gif"), "format is 'gif', it must be one of webp, jpeg"),
     (Rendition("a", 90, 90, "webp", full_colour=True), "with full_colour take one of jpeg, png, avif"),
     (Rendition("a", 90, 90, min_edge=100), "min_edge is 100, more than its shorter edge")],
)  # fmt: skip
def test_a_rendition_that_cannot_be_is_refused_with_the_campaign(rendition: Rendition, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        check_campaign(campaign(renditions=(rendition,)), {"beach": environment()}, {"ana": persona()})


def shot_of(
    catalog: Catalog, objects: Objects, renditions: tuple[Rendition, ...], **changes: Any
) -> tuple[Shot, Campaign]:
    wanted = campaign(renditions=renditions, **changes)
    (shot,) = planned(catalog, renditions=renditions, **changes)
    refined(catalog, objects, shot)
    return shot, wanted


def published(catalog: Catalog, shot: Shot) -> Publication:
    found = catalog.history(shot.key).record.publication
    assert found is not None
    return found


WEB, STORY = Rendition("web", 64, 64), Rendition("story", 72, 128, "jpeg")


@pytest.fixture
def live(catalog: Catalog, objects: Objects) -> tuple[Run, Shot, Publication]:
    shot, _ = shot_of(catalog, objects, (WEB,), framings=(Framing.STILL,), personas=())
    run = Run(catalog, objects, NOWHERE, RUN)
    assert settle(run, [shot.key]) == {"published": 1}
    return run, shot, published(catalog, shot)


def test_a_rendition_added_later_is_made_from_the_master_alone(live: tuple[Run, Shot, Publication]) -> None:
    run, shot, before = live
    run.objects.delete_prefix(object_keys.takes_of(shot.key))
    run.catalog.save_campaigns([campaign(renditions=(WEB, STORY), framings=(Framing.STILL,), personas=())])
    assert refresh_renditions(run) == {"refreshed": 1}
    after = published(run.catalog, shot)
    assert (after.renditions["web"], after.master) == (before.renditions["web"], before.master)
    with Image.open(io.BytesIO(run.objects.get(after.renditions["story"].key))) as file:
        assert (file.format, file.size[0] / file.size[1]) == ("JPEG", 72 / 128)
        assert b"compositeWithTrainedAlgorithmicMedia" in file.info["xmp"]
    assert after.manifest.key.endswith("manifest-2.json")
    assert list(json.loads(run.objects.get(after.manifest.key))["renditions"]) == ["story", "web"]
    assert refresh_renditions(run) == {"stayed": 1}


def test_a_changed_rendition_is_made_again_and_a_removed_one_goes(live: tuple[Run, Shot, Publication]) -> None:
    run, shot, _ = live
    same: dict[str, Any] = {"framings": (Framing.STILL,), "personas": ()}
    run.catalog.save_campaigns([campaign(renditions=(WEB, STORY), **same)])
    refresh_renditions(run)
    first = published(run.catalog, shot)
    run.catalog.save_campaigns([campaign(renditions=(replace(WEB, quality=40), STORY), **same)])
    refresh_renditions(run)
    changed = published(run.catalog, shot)
    assert changed.renditions["story"] == first.renditions["story"]
    assert changed.renditions["web"] != first.renditions["web"]
    assert run.objects.exists(first.renditions["web"].key)  # whoever links to it still finds it
    run.catalog.save_campaigns([campaign(renditions=(STORY,), **same)])
    refresh_renditions(run)
    last = published(run.catalog, shot)
    assert list(last.renditions) == ["story"]
    assert not run.objects.exists(changed.renditions["web"].key)


def test_a_person_is_asked_where_a_channel_would_not_take_the_picture(catalog: Catalog, objects: Objects) -> None:
    strict = Rendition("shop", 64, 64, "jpeg", min_edge=64)
    shot, _ = shot_of(catalog, objects, (replace(strict, width=640, height=640, min_edge=500),))
    run = Run(catalog, objects, NOWHERE, RUN)
    assert settle(run, [shot.key]) == {"review": 1}
    (review,) = catalog.reviews()
    assert "its channel wants 500" in review.reasons[0]
    assert list(objects.list_keys("published/")) == []
    catalog.decide(review.id, "approve", "ann")
    assert publish_approved(run) == {"published": 1}
    manifest = json.loads(objects.get(published(catalog, shot).manifest.key))
    assert "its channel wants 500" in manifest["renditions"]["shop"]["problems"][0]


STRICT = Rendition("shop", 640, 640, "jpeg", min_edge=500)
"""More than the master has."""
STILLS: dict[str, Any] = {"framings": (Framing.STILL,), "personas": ()}


def _asked_late(live: tuple[Run, Shot, Publication]) -> int:
    """The review that a rendition opens which was added later and breaks its rules."""
    run, shot, before = live
    run.catalog.save_campaigns([campaign(renditions=(WEB, STRICT, STORY), **STILLS)])
    assert refresh_renditions(run) == {"refreshed": 1}
    assert set(published(run.catalog, shot).renditions) == {"web", "story"}
    assert run.catalog.states([shot.key])[shot.key] is ShotState.PUBLISHED
    assert write_current(run.catalog, run.objects) == 1
    (review,) = run.catalog.reviews()
    assert review.take.take.key == before.take_key
    assert "its channel wants 500" in review.reasons[0]
    assert refresh_renditions(run) == {"stayed": 1}
    assert publish_approved(run) == {}
    return review.id


def test_a_late_rendition_that_breaks_its_rules_waits_for_a_person(live: tuple[Run, Shot, Publication]) -> None:
    run, shot, _ = live
    review = _asked_late(live)
    run.catalog.decide(review, "approve", "ann")
    assert publish_approved(run) == {"published": 1}
    after = published(run.catalog, shot)
    assert set(after.renditions) == {"web", "story", "shop"}
    manifest = json.loads(run.objects.get(after.manifest.key))
    assert "its channel wants 500" in manifest["renditions"]["shop"]["problems"][0]
    assert (manifest["refused_renditions"], publish_approved(run), refresh_renditions(run)) == ({}, {}, {"stayed": 1})
    # What was approved was that, and nothing worse.
    worse = replace(STRICT, min_edge=600)
    run.catalog.save_campaigns([campaign(renditions=(WEB, worse, STORY), **STILLS)])
    assert refresh_renditions(run) == {"refreshed": 1}
    (again,) = run.catalog.reviews()
    assert "its channel wants 600" in again.reasons[0]
    assert "shop" not in published(run.catalog, shot).renditions


def test_a_late_rendition_that_is_turned_down_leaves_the_picture_as_it_is(live: tuple[Run, Shot, Publication]) -> None:
    run, shot, _ = live
    review = _asked_late(live)
    with pytest.raises(NotAllowed, match="its picture is published"), run.catalog.begin() as session:
        decide(session, review, Decision.RETAKE, "ann", "too small")
    with run.catalog.begin() as session:
        decide(session, review, Decision.REJECT, "ann", "too small for the shop")
    assert (run.catalog.reviews(), refresh_renditions(run), publish_approved(run)) == ([], {"stayed": 1}, {})
    assert set(published(run.catalog, shot).renditions) == {"web", "story"}
    with run.catalog.begin() as session:
        assert labelled_takes(session) == []  # the picture was not turned down
        assert undo(session, review, "ann") is None
    assert [each.id for each in run.catalog.reviews()] == [review]
    assert run.catalog.states([shot.key])[shot.key] is ShotState.PUBLISHED


def test_the_commands_describe_and_bring_renditions_up_to_date_without_a_service(
    live: tuple[Run, Shot, Publication], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, shot, _ = live
    found = run.objects.settings
    for name, value in {
        "DATABASE_URL": run.catalog.engine.url.render_as_string(hide_password=False),
        "S3_ENDPOINT": str(found.endpoint), "S3_ACCESS_KEY": found.access_key, "S3_SECRET_KEY": found.secret_key,
        "S3_BUCKET": found.bucket,
    }.items():  # fmt: skip
        monkeypatch.setenv(f"LOOKBOOK_{name}", str(value))

    def said(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, words)
        return result.exit_code, result.output.strip()

    assert said("describe", shot.key, "A red mug on sand", "--who", "ann") == (0, "")
    run.catalog.save_campaigns([campaign(renditions=(WEB, STORY), **STILLS)])
    assert said("renditions") == (0, "1 refreshed")
    after = published(run.catalog, shot)
    assert (set(after.renditions), after.alt_text) == ({"web", "story"}, "A red mug on sand")
    assert json.loads(run.objects.get("published/autumn/current.json"))["live"][0]["alt_text"] == "A red mug on sand"
    assert said("renditions", "autumn") == (0, "1 stayed")
    assert said("describe", "nobody", "text", "--who", "ann") == (1, "Error: shot 'nobody' is not in the catalog")
    code, output = said("renditions", "winter")
    assert (code, "campaign 'winter' is not in the catalog, which has autumn" in output) == (1, True)


def test_what_is_as_wanted_is_not_opened(live: tuple[Run, Shot, Publication]) -> None:
    run, _, _ = live
    away = replace(run, objects=Objects(replace(run.objects.settings, endpoint="http://127.0.0.1:9")))
    assert refresh_renditions(away) == {"stayed": 1}


def test_a_campaign_that_speaks_another_language_has_its_alt_texts_written_again(
    live: tuple[Run, Shot, Publication],
) -> None:
    run, shot, before = live
    run.catalog.save_campaigns([campaign(renditions=(WEB,), language="de", **STILLS)])
    assert refresh_renditions(run) == {"refreshed": 1}
    after = published(run.catalog, shot)
    assert (before.alt_text, after.alt_text) == ("red mug, on a beach", "red mug, on a beach")
    with Image.open(io.BytesIO(run.objects.get(after.renditions["web"].key))) as file:
        assert b'xml:lang="de"' in file.info["xmp"]


def test_what_is_recorded_with_the_take_decides_the_window(catalog: Catalog, objects: Objects) -> None:
    (shot,) = planned(catalog)
    made, _ = scored(catalog, shot)
    note = '{"areas": {"product": {"left": 0.7, "top": 0.4, "right": 1.0, "bottom": 0.6}}, "kept": []}'
    composed = objects.put(object_keys.composed(made), b"x", "image/png", notes={object_keys.COMPOSITION: note})
    stored = objects.put(object_keys.refined(made), encoded(picture()), "image/png")
    catalog.record_output(made, "compose", StageOutput(composed.ref, 1.0, MADE_BY))
    catalog.record_output(made, "refine", StageOutput(stored.ref, 1.0, MADE_BY))
    (record,) = catalog.takes([shot.key])[shot.key]
    work = Publishing(shot, record, campaign(), objects)
    assert work.told.composition == Composition({"product": Area(0.7, 0.4, 1.0, 0.6)}, ())
    assert work.told.source_type.endswith("/trainedAlgorithmicMedia")


def test_what_the_version_before_published_stays_as_it_is(catalog: Catalog, objects: Objects) -> None:
    shot, wanted = shot_of(catalog, objects, (WEB,), framings=(Framing.STILL,), personas=())
    (record,) = catalog.takes([shot.key])[shot.key]
    old = _published_by_version_2(catalog, objects, shot, record)
    again = publish(Publishing(shot, record, wanted, objects), catalog, RUN)
    assert again == old
    more = publish(Publishing(shot, record, replace(wanted, renditions=(WEB, STORY)), objects), catalog, RUN)
    assert (more.master, more.renditions["web"]) == (old.master, old.renditions["web"])
    for ref in (old.master, old.manifest, *more.renditions.values()):
        objects.get(ref.key, ref.sha256)


def _published_by_version_2(catalog: Catalog, objects: Objects, shot: Shot, record: TakeRecord) -> Publication:
    """Files, manifest and row as they were written before there were channels."""
    folder = object_keys.published(shot)
    master = objects.put(f"{folder}master.png", encoded(picture()), "image/png").ref
    web = objects.put(f"{folder}web.webp", encoded(picture().resize((64, 64)), "WEBP"), "image/webp").ref

    def entry(ref: ImageRef, edge: int, mime: str) -> dict[str, Any]:
        said = {"ref": {"key": ref.key, "sha256": ref.sha256}, "content_type": mime, "width": edge, "height": edge}
        return {**said, "size": 1, "enlarged": 1.0}

    take = record.take
    content = {
        "manifest_version": 2,
        "shot": {"key": shot.key},
        "take": {"key": take.key, "shot_key": shot.key, "number": 1, "seed": take.seed, "changes": {}, "words": ""},
        "master": entry(master, 128, "image/png"),
        "renditions": {"web": entry(web, 64, "image/webp")},
    }
    manifest = objects.put(object_keys.manifest(shot), json.dumps(content).encode(), "application/json").ref
    publication = Publication(shot.key, take.key, master, {"web": web}, manifest)
    catalog.record_publication(publication, RUN, take)
    return publication


def test_a_campaign_lists_what_is_live_with_its_urls(
    live: tuple[Run, Shot, Publication], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, shot, publication = live
    monkeypatch.setenv("LOOKBOOK_PUBLIC_URL", "https://cdn.example/pictures/")
    assert write_current(run.catalog, run.objects) == 1
    whole = json.loads(run.objects.get("published/autumn/current.json"))
    assert [row["rendition"] for row in whole["live"]] == ["master", "web"]
    assert whole["live"][1]["url"] == f"https://cdn.example/pictures/{publication.renditions['web'].key}"
    assert whole["live"][1]["alt_text"] == "red mug, on a beach"
    rows = list(csv.DictReader(io.StringIO(run.objects.get("published/autumn/current.csv").decode())))
    assert [row["sha256"] for row in rows] == [publication.master.sha256, publication.renditions["web"].sha256]
    # A plan that does not want it any more: it stays, and is listed to be taken down.
    other = campaign(renditions=(WEB,), framings=(Framing.STILL,), personas=(), prompt="other")
    run.catalog.record_plan(other, plan_of(run.catalog, other), RUN)
    assert run.catalog.states([shot.key])[shot.key] is ShotState.SUPERSEDED
    assert write_current(run.catalog, run.objects) == 0
    whole = json.loads(run.objects.get("published/autumn/current.json"))
    assert (whole["superseded"][0]["key"], whole["live"]) == (publication.master.key, [])


def test_a_persons_own_alt_text_is_kept_and_written_into_the_files(live: tuple[Run, Shot, Publication]) -> None:
    run, shot, before = live
    assert before.alt_text == "red mug, on a beach"
    run.catalog.describe(shot.key, "Ein roter Becher <am> Strand", "ann")
    assert refresh_renditions(run) == {"refreshed": 1}
    after = published(run.catalog, shot)
    assert after.alt_text == "Ein roter Becher <am> Strand"
    with Image.open(io.BytesIO(run.objects.get(after.renditions["web"].key))) as file:
        assert b"Ein roter Becher &lt;am&gt; Strand" in file.info["xmp"]
    run.catalog.save_campaigns(
        [campaign(renditions=(WEB, STORY), framings=(Framing.STILL,), personas=(), language="de")]
    )
    refresh_renditions(run)
    assert published(run.catalog, shot).alt_text == "Ein roter Becher <am> Strand"


def test_what_is_withdrawn_leaves_the_list_at_once(live: tuple[Run, Shot, Publication]) -> None:
    run, shot, _ = live
    assert write_current(run.catalog, run.objects) == 1
    withdraw(run.catalog, run.objects, shot.key, "ann", "the logo is not ours")
    whole = json.loads(run.objects.get("published/autumn/current.json"))
    assert (whole["live"], whole["superseded"]) == ([], [])
