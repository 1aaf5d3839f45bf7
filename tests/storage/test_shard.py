"""A shard's way through all stages, with the real service on a stand-in bundle, a real bucket and a catalog."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from sqlalchemy import update

from embedded.seaweedfs import SeaweedServer
from generation.brief import ImageRef, Scorecard, Verdict
from generation.client import GenerationClient
from generation.miniature import build
from generation.recipe import take
from storage import object_keys
from storage.casting import cast
from storage.catalog import Catalog
from storage.catalog_errors import RowMissing
from storage.clean_up import clear_takes
from storage.desk import Desk
from storage.object_settings import ObjectSettings
from storage.objects import Objects
from storage.run_plan import RunUnfinished, plan_run, summarise
from storage.settle import publish_approved, settle
from storage.shard import best_take, compose, face, refine, retake, score
from storage.shots import Reprocess
from storage.tables import ShotRow, ShotState
from tests.running_service import running_service
from tests.storage.samples import campaign, environment, persona, product

DOUBTFUL = {"taste": 0.5}
"""A cut for what nothing measures: every take goes before a person."""


@pytest.fixture(scope="module")
def settings(s3_server: SeaweedServer) -> ObjectSettings:
    chosen = ObjectSettings("shard", s3_server.endpoint, s3_server.access_key, s3_server.secret_key)
    Objects(chosen).ensure_bucket()
    return chosen


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, settings: ObjectSettings) -> Iterator[GenerationClient]:
    bundle = build(tmp_path_factory.mktemp("bundles") / "miniature")
    with running_service(bundle, settings, batch=4) as client:
        yield client


@pytest.fixture
def desk(sqlite_url: str, settings: ObjectSettings, service: GenerationClient, request: Any) -> Iterator[Desk]:
    from storage.migrate import migrate

    catalog = Catalog.at(sqlite_url)
    migrate(catalog.engine)
    yield Desk(catalog, Objects(settings), service, f"run of {request.node.name}")
    catalog.engine.dispose()


def image(desk: Desk, name: str, colour: tuple[int, int, int]) -> ImageRef:
    picture = Image.new("RGBA", (60, 80), (255, 255, 255, 0))
    ImageDraw.Draw(picture).rectangle((15, 10, 45, 70), fill=(*colour, 255))
    data = io.BytesIO()
    (picture if name.startswith("pack") else picture.convert("RGB")).save(data, "PNG")
    return desk.objects.put(f"catalog/{name}.png", data.getvalue(), "image/png").ref


def planned(desk: Desk, *bad: str, **brief: Any) -> list[str]:
    """Keys of a campaign over two mugs; the packshots of ``bad`` ones are not in the bucket."""
    wanted = campaign(**{"thresholds": DOUBTFUL, **brief})
    desk.catalog.save_products(
        product(
            sku,
            packshot=ImageRef("catalog/lost.png", "0" * 64) if sku in bad else image(desk, f"pack-{sku}", (9, 9, 9)),
        )
        for sku in ("MUG-1", "MUG-2")
    )
    desk.catalog.save_environments([environment("beach", photo=image(desk, "beach", (40, 90, 200)))])
    desk.catalog.save_personas([persona("ana")])
    desk.catalog.save_campaigns([wanted])
    return keys_of(desk)


def keys_of(desk: Desk, reprocess: Reprocess = Reprocess.MISSING) -> list[str]:
    return [key for shard in plan_run(desk, None, reprocess, 8).shards for key in shard.keys]


def shoot(desk: Desk, keys: list[str]) -> dict[str, int]:
    for stage in (face, compose, refine, score, retake):
        keys = stage(desk, keys)
    return settle(desk, keys)


def items_made(desk: Desk) -> float:
    """Pictures, portraits and scorecards that the service made up to now."""
    text = desk.service._http.get("/metrics").text
    lines = (line for line in text.splitlines() if line.startswith("lookbook_items_total") and 'outcome="made"' in line)
    return sum(float(line.split()[-1]) for line in lines)


def test_a_bad_row_fails_with_its_reason_and_the_others_are_put_before_a_person_and_published(desk: Desk) -> None:
    keys = planned(desk, "MUG-2", prompt="one")
    assert shoot(desk, keys) == {"review": 1}
    assert summarise(desk, keys, {}) == {"review": 1, "failed": 1}
    (failed,) = (desk.catalog.history(key).record for key in keys if desk.catalog.states([key])[key] == "failed")
    assert failed.shot.product.sku == "MUG-2"
    assert "catalog/lost.png" in (failed.reason or "")
    (review,) = desk.catalog.reviews()
    desk.catalog.decide(review.id, "approve", "ann")
    assert publish_approved(desk) == {"published": 1}
    assert publish_approved(desk) == {}
    assert desk.objects.exists(object_keys.manifest(review.shot))


def test_a_second_run_over_an_unchanged_catalog_makes_nothing(desk: Desk) -> None:
    shoot(desk, planned(desk, prompt="two"))
    made = items_made(desk)
    assert keys_of(desk) == []
    assert summarise(desk, [], {}) == {}
    assert items_made(desk) == made


def test_a_repeated_stage_makes_only_what_is_missing(desk: Desk) -> None:
    keys = planned(desk, prompt="three")
    compose(desk, face(desk, keys)[:1])
    made = items_made(desk)
    assert compose(desk, face(desk, keys)) == keys
    assert items_made(desk) == made + 1
    assert compose(desk, keys) == keys
    assert items_made(desk) == made + 1


def test_a_catalog_that_was_lost_takes_over_what_the_bucket_has(desk: Desk, tmp_path: Path) -> None:
    from storage.migrate import migrate

    keys = planned(desk, prompt="four")
    outcome = shoot(desk, keys)
    made = items_made(desk)
    anew = Catalog.at(f"sqlite:///{tmp_path / 'anew.sqlite'}")
    migrate(anew.engine)
    again = replace(desk, catalog=anew, run_id="another run")
    assert shoot(again, planned(again, prompt="four")) == outcome
    assert items_made(desk) == made
    anew.engine.dispose()


def test_a_failed_row_that_was_mended_is_made_on_request(desk: Desk) -> None:
    keys = planned(desk, "MUG-1", "MUG-2", prompt="five")
    assert shoot(desk, keys) == {}
    assert keys_of(desk) == []
    assert sorted(keys_of(desk, Reprocess.FAILED)) == sorted(keys)


def test_a_take_that_is_not_good_enough_is_followed_by_others_with_changes(desk: Desk) -> None:
    keys = planned(desk, prompt="six", max_takes=2)
    for key in scored(desk, keys):
        takes = desk.catalog.takes([key])[key]
        assert [each.take.number for each in takes] == [1, 2]
        assert len({each.take.seed for each in takes}) == 2
        assert "steps" in takes[1].take.changes
        assert all(each.refined is not None for each in takes)


def scored(desk: Desk, keys: list[str]) -> list[str]:
    """Through the stages, with first takes so soft that they ask for another one."""
    refined = refine(desk, compose(desk, face(desk, keys)))
    for key in refined:
        soft = Scorecard({"sharpness": 0.1}, Verdict.RETAKE, ("sharpness 0.10 is below 0.75: the picture is soft",))
        desk.catalog.record_scorecard(desk.catalog.takes([key])[key][-1].take.key, soft)
    return retake(desk, refined)


def test_a_rejected_shot_gets_a_new_take_on_request(desk: Desk) -> None:
    keys = planned(desk, prompt="seven")
    shoot(desk, keys)
    for review in desk.catalog.reviews():
        desk.catalog.decide(review.id, "reject", "ann", "face is wrong")
    assert keys_of(desk) == []
    again = keys_of(desk, Reprocess.REJECTED)
    assert sorted(again) == sorted(keys)
    shoot(replace(desk, run_id="another run"), again)
    assert {each.take.take.number for each in desk.catalog.reviews()} == {2}


def test_a_summary_fails_while_shots_are_unfinished(desk: Desk) -> None:
    keys = planned(desk, prompt="eight")
    compose(desk, face(desk, keys))
    with pytest.raises(RunUnfinished, match="2 of 2 shots are unfinished"):
        summarise(desk, keys, {})


def test_a_dry_run_changes_nothing(desk: Desk) -> None:
    planned(desk, prompt="nine")
    desk.catalog.save_campaigns([campaign("spring", prompt="nine")])
    before = desk.catalog.totals()
    assert plan_run(desk, ["spring"], Reprocess.MISSING, 8, dry_run=True).shards == []
    assert desk.catalog.totals() == before


def test_a_campaign_that_cannot_be_planned_leaves_the_others(desk: Desk) -> None:
    planned(desk, prompt="ten")
    desk.catalog.save_campaigns([campaign("broken", environments=("moon",))])
    run = plan_run(desk, None, Reprocess.MISSING, 8)
    assert list(run.problems) == ["broken"]
    assert "'moon' is not in the catalog" in run.problems["broken"]
    assert [len(shard.keys) for shard in run.shards] == [2]
    with pytest.raises(RowMissing, match="summer"):
        plan_run(desk, ["summer"], Reprocess.MISSING, 8)


def test_superseded_takes_are_cleared_and_published_pictures_stay(desk: Desk) -> None:
    keys = planned(desk, prompt="eleven")
    shoot(desk, keys)
    for review in desk.catalog.reviews():
        desk.catalog.decide(review.id, "approve", "ann")
    publish_approved(desk)
    desk.catalog.save_campaigns([campaign(prompt="twelve")])
    keys_of(desk)
    assert clear_takes(desk, 30) == 0
    with desk.catalog.engine.begin() as connection:
        past = datetime.now(UTC) - timedelta(days=31)
        connection.execute(update(ShotRow).where(ShotRow.key.in_(keys)).values(updated_at=past))
    assert clear_takes(desk, 30) == len(keys)
    assert clear_takes(desk, 30) == 0
    for shot in desk.catalog.shots(keys):
        assert list(desk.objects.list_keys(object_keys.takes_of(shot.key))) == []
        assert desk.objects.exists(object_keys.master(shot))


def test_casting_draws_portraits_without_shots(desk: Desk) -> None:
    desk.catalog.save_personas([persona("cleo", seed=99), persona("dan", seed=98)])
    made = cast(desk, ["cleo"])
    assert list(made) == ["cleo"]
    assert desk.objects.exists(made["cleo"])
    assert sorted(cast(desk, [])) == ["cleo", "dan"]
    with pytest.raises(RowMissing, match="'eve' is not in the catalog, which has cleo, dan"):
        cast(desk, ["eve"])


def test_the_best_take_has_the_best_verdict_then_the_highest_mean(desk: Desk) -> None:
    from storage.records import TakeRecord

    def record(number: int, verdict: Verdict, value: float) -> TakeRecord:
        return TakeRecord(take("a" * 32, 1, number), None, None, Scorecard({"product": value}, verdict), {})

    takes = [record(1, Verdict.REJECT, 0.9), record(2, Verdict.REVIEW, 0.5), record(3, Verdict.REVIEW, 0.6)]
    best = best_take(takes)
    assert best is not None
    assert best.take.number == 3
    assert best_take([TakeRecord(takes[0].take, None, None, None, {})]) is None


def test_a_superseded_shot_is_left_alone(desk: Desk) -> None:
    keys = planned(desk, prompt="thirteen")
    desk.catalog.save_campaigns([campaign(prompt="fourteen")])
    keys_of(desk)
    shoot(desk, keys)
    assert set(desk.catalog.states(keys).values()) == {ShotState.SUPERSEDED}
