"""Publishing: what lies in the bucket afterwards, and that a crash at any step leaves nothing half-seen."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path

import pytest
from PIL import Image

from brief.recipe import RECIPES, recipe_on
from brief.types import Asset, ImageRef, Rendition, Shot
from pipeline.provenance import DIGITAL_SOURCE_TYPE, BundleLabel, ManifestDamaged
from pipeline.publish import NothingToPublish, publish
from storage.bucket import keys as object_keys
from storage.bucket.errors import ObjectMissing
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.catalog.migrate import migrate
from storage.catalog.records import TakeRecord
from storage.catalog.tables import ShotState
from tests.storage.samples import planned, scored

LABEL = BundleLabel("starter", "f" * 32, "Apache-2.0", commercial=True, stand_in=True, recipe={"steps": 20})
RENDITIONS = (Rendition("web", 64, 32), Rendition("print", 256, 256, "jpeg", 90))


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
    catalog.record_take(made, ShotState.REFINED, stored.ref)
    (record,) = catalog.takes([shot.key])[shot.key]
    return shot, record


@pytest.fixture
def ready(catalog: Catalog, objects: Objects) -> tuple[Shot, TakeRecord]:
    (shot,) = planned(catalog)
    return refined(catalog, objects, shot)


def run(ready: tuple[Shot, TakeRecord], catalog: Catalog, objects: Objects) -> Asset:
    return publish(*ready, RENDITIONS, LABEL, objects=objects, catalog=catalog, run_id="run-1")


def test_master_renditions_manifest_and_row(ready: tuple[Shot, TakeRecord], catalog: Catalog, objects: Objects) -> None:
    shot, record = ready
    asset = run(ready, catalog, objects)
    folder = f"published/autumn/MUG-1/{shot.key}/"
    assert list(objects.list_keys("published/")) == [
        f"{folder}{name}" for name in ("manifest.json", "master.png", "print.jpg", "web.webp")
    ]
    history = catalog.history(shot.key)
    assert (history.record.state, history.record.asset) == (ShotState.PUBLISHED, asset)
    content = json.loads(objects.get(asset.manifest.key, asset.manifest.sha256))
    assert content["bundle"]["stand_in"] is True
    assert content["recipe"]["numbers"]["steps"] == 20
    assert content["scorecard"] == {
        "values": {"product": 0.75},
        "verdict": "accept",
        "reasons": ["the product is small"],
    }
    assert content["seconds"] == dict(record.seconds)
    assert content["shot"]["product"]["packshot"]["sha256"] == shot.product.packshot.sha256
    assert content["renditions"]["print"]["enlarged"] == 2.0


def test_every_file_has_its_size_and_says_that_a_model_made_it(
    ready: tuple[Shot, TakeRecord], catalog: Catalog, objects: Objects
) -> None:
    asset = run(ready, catalog, objects)
    sizes = {asset.master: (128, 128), asset.renditions["web"]: (64, 32), asset.renditions["print"]: (256, 256)}
    for ref, size in sizes.items():
        data = objects.get(ref.key, ref.sha256)
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert image.size == size
            xmp = image.info["xmp"]
        assert DIGITAL_SOURCE_TYPE.encode() in xmp
        assert b"stand-in with random weights" in xmp
    with Image.open(io.BytesIO(objects.get(asset.master.key))) as master:
        assert master.tobytes() == picture().tobytes()


def test_a_second_publication_changes_nothing(
    ready: tuple[Shot, TakeRecord], catalog: Catalog, objects: Objects
) -> None:
    shot, record = ready
    first = run(ready, catalog, objects)
    slower = replace(record, seconds={"compose": 99.0}, take=replace(record.take, number=2))
    assert run((shot, slower), catalog, objects) == first


def test_a_catalog_set_up_anew_takes_over_what_its_bucket_holds(
    ready: tuple[Shot, TakeRecord], catalog: Catalog, objects: Objects, tmp_path: Path
) -> None:
    asset = run(ready, catalog, objects)
    anew = Catalog.at(f"sqlite:///{tmp_path / 'anew.sqlite'}")
    migrate(anew.engine)
    (shot,) = planned(anew)
    second, _ = scored(anew, shot, number=2)
    (record,) = anew.takes([shot.key])[shot.key]
    assert second.key != asset.take_key
    assert run((shot, record), anew, objects) == asset
    assert anew.history(shot.key).record.asset == asset
    anew.engine.dispose()


@pytest.mark.parametrize("preset", RECIPES)
def test_the_manifest_states_the_numbers_that_were_used(
    ready: tuple[Shot, TakeRecord], catalog: Catalog, objects: Objects, preset: str
) -> None:
    shot, record = ready
    changed = replace(record, take=replace(record.take, changes={"face_strength": 0.9}))
    asset = run((replace(shot, recipe=preset), changed), catalog, objects)
    content = json.loads(objects.get(asset.manifest.key))
    assert content["recipe"]["numbers"] == asdict(recipe_on(LABEL.recipe, preset, {"face_strength": 0.9}))


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
    wrap(catalog, "record_asset")


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
        assert (seen.state is ShotState.PUBLISHED, seen.asset is not None) == (row_was_written, row_was_written)
        if objects.exists(object_keys.manifest(shot)):
            assert len(list(objects.list_keys(object_keys.published(shot)))) == 4
        asset = run(ready, catalog, objects)
        assert catalog.history(shot.key).record.asset == asset
        for ref in (asset.master, asset.manifest, *asset.renditions.values()):
            objects.get(ref.key, ref.sha256)


def test_a_take_that_is_not_ready_is_refused(
    ready: tuple[Shot, TakeRecord], catalog: Catalog, objects: Objects
) -> None:
    shot, record = ready
    for lacking in (replace(record, refined=None), replace(record, scorecard=None)):
        with pytest.raises(NothingToPublish, match=f"take 1 of shot {shot.key} was not (refined|scored)"):
            run((shot, lacking), catalog, objects)
    gone = replace(record, refined=ImageRef("takes/gone.png", "0" * 64))
    with pytest.raises(ObjectMissing, match=r"takes/gone\.png"):
        run((shot, gone), catalog, objects)
    assert list(objects.list_keys("published/")) == []
