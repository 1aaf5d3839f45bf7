"""Publishing: what lies in the bucket afterwards, and that a crash at any step leaves nothing half-seen."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from PIL import Image

from brief.formats import RENDITION_FORMATS, RenditionFormat
from brief.plan import plan
from brief.recipe import RECIPES, recipe_on, take
from brief.types import Composition, ImageRef, MadeBy, Publication, Rendition, Shot
from pipeline.provenance import COMPOSITE, ManifestDamaged, Told, xmp_packet
from pipeline.publish import NothingToPublish, Publishing, publish
from pipeline.renditions import Sources, render
from storage.bucket import keys as object_keys
from storage.bucket.errors import ObjectMissing
from storage.bucket.objects import Objects
from storage.catalog import decisions
from storage.catalog.catalog import Catalog
from storage.catalog.errors import AnswerTakenBack
from storage.catalog.records import StageOutput, TakeRecord
from storage.catalog.tables import ShotState
from tests.storage.samples import BUNDLE, RUN, campaign, environment, persona, planned, product, scored

MADE_BY = MadeBy(replace(BUNDLE, recipe={"steps": 20}), 1, {"torch": "1.0"}, "cuda: NVIDIA L4")
"""Other than what is loaded and installed now."""
RENDITIONS = (Rendition("web", 64, 48), Rendition("print", 256, 256, "jpeg", 90, enlarge=True))


(SHOT,) = plan(campaign(), {"MUG-1": product()}, {"beach": environment()}, {"ana": persona()}, BUNDLE).shots


def picture() -> Image.Image:
    return Image.linear_gradient("L").resize((128, 128)).convert("RGB")


def png() -> bytes:
    buffer = io.BytesIO()
    picture().save(buffer, "PNG")
    return buffer.getvalue()


def refined(catalog: Catalog, objects: Objects, shot: Shot) -> tuple[Shot, TakeRecord]:
    """A shot whose first take is scored, its refined picture in the bucket."""
    made, _ = scored(catalog, shot)
    stored = objects.put(object_keys.refined(made), png(), "image/png")
    catalog.record_output(made, "refine", StageOutput(stored.ref, 1.25, MADE_BY))
    (record,) = catalog.takes([shot.key])[shot.key]
    return shot, record


@pytest.fixture
def ready(catalog: Catalog, objects: Objects) -> tuple[Shot, TakeRecord]:
    (shot,) = planned(catalog)
    return refined(catalog, objects, shot)


def run(ready: tuple[Shot, TakeRecord], catalog: Catalog, objects: Objects) -> Publication:
    return publish(Publishing(*ready, campaign(renditions=RENDITIONS), objects), catalog, RUN)


def test_master_renditions_manifest_and_row(ready: tuple[Shot, TakeRecord], catalog: Catalog, objects: Objects) -> None:
    shot, record = ready
    asset = run(ready, catalog, objects)
    folder = f"published/autumn/MUG-1/{shot.key}/"
    assert list(objects.list_keys("published/")) == [
        asset.manifest.key, asset.master.key, asset.renditions["print"].key, asset.renditions["web"].key,
    ]  # fmt: skip
    for name, key in (("master", asset.master.key), *((name, ref.key) for name, ref in asset.renditions.items())):
        assert re.fullmatch(rf"{folder}{name}-[0-9a-f]{{8}}\.(png|jpg|webp)", key)
    history = catalog.history(shot.key)
    assert (history.record.state, history.record.publication) == (ShotState.PUBLISHED, asset)
    content = json.loads(objects.get(asset.manifest.key, asset.manifest.sha256))
    assert content["bundle"]["stand_in"] is True
    assert (content["bundle"]["fingerprint"], content["software"]) == ("f" * 32, {"torch": "1.0"})
    assert (content["recipe"]["version"], content["device"]) == (1, "cuda: NVIDIA L4")
    assert content["recipe"]["numbers"]["steps"] == 20
    assert content["scorecard"] == {
        "values": {"product": 0.75},
        "unavailable": {},
        "kept": [],
        "altered": {},
        "scorers": "",
        "verdict": "accept",
        "low": [],
        "findings": [
            {"reason": "earlier", "dimension": "", "value": None, "threshold": None, "why": "the product is small"}
        ],
        "reasons": ["the product is small"],
    }
    assert content["seconds"] == dict(record.seconds)
    assert content["shot"]["product"]["packshot"]["sha256"] == shot.product.packshot.sha256
    assert content["renditions"]["print"]["enlarged"] == 2.0


def test_every_file_has_its_size_and_says_that_a_model_made_it(
    ready: tuple[Shot, TakeRecord], catalog: Catalog, objects: Objects
) -> None:
    asset = run(ready, catalog, objects)
    sizes = {asset.master: (128, 128), asset.renditions["web"]: (64, 48), asset.renditions["print"]: (256, 256)}
    for ref, size in sizes.items():
        data = objects.get(ref.key, ref.sha256)
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert image.size == size
            xmp = image.info["xmp"]
        assert COMPOSITE.encode() in xmp
        assert b"stand-in with random weights" in xmp
    with Image.open(io.BytesIO(objects.get(asset.master.key))) as master:
        assert master.tobytes() == picture().tobytes()


@pytest.mark.parametrize("kind", RENDITION_FORMATS.values(), ids=list(RENDITION_FORMATS))
def test_every_format_is_what_it_says_and_says_that_a_model_made_it(kind: RenditionFormat) -> None:
    record = TakeRecord(take(SHOT.key, SHOT.seed, 1), {"refine": StageOutput(ImageRef("r.png", ""), made_by=MADE_BY)})
    told = Told(SHOT, record, Composition({}, ("product",)), "a mug <3", "en", datetime.now(UTC))
    sources = Sources(picture, lambda size: picture(), lambda product: None)
    data = render(picture(), Rendition("web", 64, 48, kind.name), {}, sources, xmp_packet(told)).data
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert (image.format, image.size) == (kind.pillow, (64, 48))
        assert image.get_format_mimetype() == kind.mime
        assert COMPOSITE.encode() in image.info["xmp"]
    assert object_keys.content_type(object_keys.rendition(SHOT, "web", kind.name, "1")) == kind.mime


def test_a_second_publication_changes_nothing(
    ready: tuple[Shot, TakeRecord], catalog: Catalog, objects: Objects
) -> None:
    shot, record = ready
    first = run(ready, catalog, objects)
    slower = replace(
        record, outputs={"refine": replace(record.outputs["refine"], seconds=99.0)}, take=replace(record.take, number=2)
    )
    assert run((shot, slower), catalog, objects) == first


def test_a_catalog_set_up_again_takes_over_what_its_bucket_holds(
    ready: tuple[Shot, TakeRecord], catalog: Catalog, objects: Objects, new_catalog: Callable[[], Catalog]
) -> None:
    asset = run(ready, catalog, objects)
    again = new_catalog()
    (shot,) = planned(again)
    second, _ = scored(again, shot, number=2)
    (record,) = again.takes([shot.key])[shot.key]
    assert second.key != asset.take_key
    assert run((shot, record), again, objects) == asset
    assert again.history(shot.key).record.publication == asset


def test_the_manifest_says_what_was_done_to_the_picture(
    ready: tuple[Shot, TakeRecord], catalog: Catalog, objects: Objects
) -> None:
    refined = ready[1].refined
    assert refined is not None
    steps = ["size: enlarged 4.00 times by Lanczos", "light: done"]
    notes = {object_keys.STEPS: json.dumps(steps)}
    data = objects.get(refined.key)
    objects.delete(refined.key)
    objects.put(refined.key, data, "image/png", notes=notes)
    asset = run(ready, catalog, objects)
    assert json.loads(objects.get(asset.manifest.key))["steps"] == steps


@pytest.mark.parametrize("preset", RECIPES)
def test_the_manifest_states_the_numbers_that_were_used(
    ready: tuple[Shot, TakeRecord], catalog: Catalog, objects: Objects, preset: str
) -> None:
    shot, record = ready
    changed = replace(record, take=replace(record.take, changes={"face_strength": 0.9}))
    asset = run((replace(shot, recipe=preset), changed), catalog, objects)
    content = json.loads(objects.get(asset.manifest.key))
    assert content["recipe"]["numbers"] == asdict(recipe_on(MADE_BY.bundle.recipe, preset, {"face_strength": 0.9}))


def test_a_damaged_manifest_says_what_to_do(ready: tuple[Shot, TakeRecord], catalog: Catalog, objects: Objects) -> None:
    asset = run(ready, catalog, objects)
    objects.delete(asset.manifest.key)
    objects.put(asset.manifest.key, b'{"take": {', "application/json")
    with pytest.raises(ManifestDamaged, match=r"manifest\.json' is not a manifest .*; delete it"):
        run(ready, catalog, objects)


class Stopped(BaseException):
    """The process was killed."""


def dying(objects: Objects, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, step: int, *, done: bool) -> None:
    """Die at the ``step``-th write, before it (or after it took effect, with ``done``)."""
    steps = count(1)

    def wrap(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def write(*args: object, **options: object) -> object:
            dies = next(steps) == step
            if dies and not done:
                raise Stopped
            answer = real(*args, **options)
            if dies:
                raise Stopped
            return answer

        monkeypatch.setattr(owner, name, write)

    wrap(objects, "put")
    wrap(catalog, "record_publication")


WRITES = ("master", "web", "print", "manifest", "row")


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_a_crash_anywhere_leaves_nothing_half_seen_and_a_retry_ends_the_same(
    catalog: Catalog, objects: Objects, done: bool
) -> None:
    for step, shot in enumerate(planned(catalog, WRITES), 1):
        ready = refined(catalog, objects, shot)
        with pytest.MonkeyPatch.context() as patch:
            dying(objects, catalog, patch, step, done=done)
            with pytest.raises(Stopped):
                run(ready, catalog, objects)
        seen = catalog.history(shot.key).record
        row_was_written = step == len(WRITES) and done
        assert (seen.state is ShotState.PUBLISHED, seen.publication is not None) == (row_was_written, row_was_written)
        if objects.exists(object_keys.manifest(shot)):
            assert len(list(objects.list_keys(object_keys.published(shot)))) == 4
        asset = run(ready, catalog, objects)
        assert catalog.history(shot.key).record.publication == asset
        for ref in (asset.master, asset.manifest, *asset.renditions.values()):
            objects.get(ref.key, ref.sha256)


def test_a_take_that_is_not_ready_is_refused(
    ready: tuple[Shot, TakeRecord], catalog: Catalog, objects: Objects
) -> None:
    shot, record = ready
    for lacking in (replace(record, outputs={}), replace(record, scorecard=None)):
        with pytest.raises(NothingToPublish, match=f"take 1 of shot {shot.key} was not (refined|scored)"):
            run((shot, lacking), catalog, objects)
    gone = replace(record, outputs={"refine": StageOutput(ImageRef("takes/gone.png", "0" * 64))})
    with pytest.raises(ObjectMissing, match=r"takes/gone\.png"):
        run((shot, gone), catalog, objects)
    assert list(objects.list_keys("published/")) == []


def test_what_is_taken_back_while_it_is_published_stays_unpublished(
    ready: tuple[Shot, TakeRecord], catalog: Catalog, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    shot, record = ready
    review = catalog.open_review(shot.key, record.take.key, ["soft"])
    catalog.decide(review, "approve", "ana")
    put = objects.put

    def put_while_ana_changes_her_mind(key: str, *arguments: Any, **options: Any) -> Any:
        stored = put(key, *arguments, **options)
        if key == object_keys.manifest(shot):
            with catalog.begin() as session:
                decisions.undo(session, review, "ana")
        return stored

    monkeypatch.setattr(objects, "put", put_while_ana_changes_her_mind)
    with pytest.raises(AnswerTakenBack):
        publish(Publishing(*ready, campaign(renditions=RENDITIONS), objects), catalog, RUN, approved=True)
    assert list(objects.list_keys("published/")) == []
    assert catalog.history(shot.key).record.publication is None
    assert catalog.states([shot.key]) == {shot.key: ShotState.REVIEW}
