"""A shard's way through all stages, with the real service on a stand-in bundle, a real bucket and a catalog."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps
from sqlalchemy import update

from brief.images import read_image
from brief.recipe import portrait_key, take
from brief.types import (
    Area,
    Finding,
    Framing,
    ImageRef,
    Measurements,
    Publication,
    Reason,
    Scorecard,
    Threshold,
    Verdict,
)
from embedded.seaweedfs import SeaweedServer
from generation.bundle.card import read_card, write_card
from generation.bundle.miniature import build
from generation.scene.cutout import cut_out
from pipeline import calibration
from pipeline.calibration import judge_again
from pipeline.casting import candidates, cast, choose
from pipeline.claims import RunUnfinished, claim_shots, finish, plan_requested
from pipeline.judge import best_take, judge
from pipeline.plan import RunPlan, plan_run
from pipeline.run import Run, RunRequest
from pipeline.settle import ASKED_FOR, publish_approved, settle
from pipeline.sign_off import agree, question
from pipeline.stages import compose, explain, face, is_whole, refine, retake, score
from pipeline.upkeep import clear_takes
from pipeline.verify import NotReproducible, reproduce
from service.client import GenerationClient
from storage.bucket import keys as object_keys
from storage.bucket.objects import Objects
from storage.bucket.settings import ObjectSettings
from storage.catalog import audit, decisions
from storage.catalog.catalog import Catalog
from storage.catalog.decisions import RetakeChanges
from storage.catalog.errors import RowMissing
from storage.catalog.records import StageOutput, TakeRecord
from storage.catalog.runs import RunKey
from storage.catalog.shots import Choice, Chosen, Reprocess
from storage.catalog.tables import Decision, ShotRow, ShotState
from tests.published.bundles import BUNDLES, local
from tests.published.checkpoints import write
from tests.running_service import running_service
from tests.storage.samples import campaign, environment, persona, product

DOUBTFUL = {"prompt": 0.5}
"""A cut for what nothing measures: every take goes before a person."""


def _png() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (64, 64), (90, 120, 40)).save(data, "PNG")
    return data.getvalue()


PNG = _png()


@pytest.fixture(scope="module")
def settings(s3_server: SeaweedServer) -> ObjectSettings:
    chosen = ObjectSettings("shard", s3_server.endpoint, s3_server.access_key, s3_server.secret_key)
    Objects(chosen).ensure_bucket()
    return chosen


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("bundles") / "miniature")


@pytest.fixture(scope="module")
def service(bundle: Path, settings: ObjectSettings) -> Iterator[GenerationClient]:
    with running_service(bundle, settings, batch=4) as client:
        yield client


@pytest.fixture
def run(catalog: Catalog, settings: ObjectSettings, service: GenerationClient, request: Any) -> Run:
    return Run(catalog, Objects(settings), service, RunKey("campaign", f"run of {request.node.name}"))


def nobody(key: RunKey) -> bool:
    """Airflow works on no other run."""
    return False


def image(run: Run, name: str, colour: tuple[int, int, int]) -> ImageRef:
    picture = Image.new("RGBA", (60, 80), (255, 255, 255, 0))
    ImageDraw.Draw(picture).rectangle((15, 10, 45, 70), fill=(*colour, 255))
    data = io.BytesIO()
    (picture if name.startswith("pack") else picture.convert("RGB")).save(data, "PNG")
    return run.objects.put(f"catalog/{name}.png", data.getvalue(), "image/png").ref


def planned(run: Run, *bad: str, **brief: Any) -> list[str]:
    """Keys of a campaign over two mugs; the packshots of ``bad`` ones are not in the bucket."""
    wanted = campaign(**{"thresholds": DOUBTFUL, **brief})
    run.catalog.save_products(
        product(
            sku,
            packshot=ImageRef("catalog/lost.png", "0" * 64) if sku in bad else image(run, f"pack-{sku}", (9, 9, 9)),
        )
        for sku in ("MUG-1", "MUG-2")
    )
    run.catalog.save_environments([environment("beach", photo=image(run, "beach", (40, 90, 200)))])
    run.catalog.save_personas([persona("ana")])
    run.catalog.save_campaigns([wanted])
    return keys_of(run)


def keys_of(run: Run, reprocess: Reprocess = Reprocess.MISSING) -> list[str]:
    return [shot.key for shot in plan_run(run, RunRequest(choice=Choice(reprocess))).shots]


def shoot(run: Run, keys: list[str]) -> dict[str, int]:
    for stage in (face, compose, refine, score, retake):
        keys = stage(run, keys)
    return settle(run, keys)


def items_made(run: Run) -> float:
    """Pictures, portraits and scorecards that the service made up to now."""
    text = run.service._services[0].ask("GET", "/metrics").text
    lines = (line for line in text.splitlines() if line.startswith("lookbook_items_total") and 'outcome="made"' in line)
    return sum(float(line.split()[-1]) for line in lines)


def test_a_bad_row_fails_with_its_reason_and_the_others_are_put_before_a_person_and_published(run: Run) -> None:
    keys = planned(run, "MUG-2", prompt="one")
    assert shoot(run, keys) == {"review": 1}
    assert finish(run, keys) == {"review": 1, "failed": 1}
    (failed,) = (run.catalog.history(key).record for key in keys if run.catalog.states([key])[key] == "failed")
    assert failed.shot.product.sku == "MUG-2"
    assert "catalog/lost.png" in (failed.reason or "")
    (review,) = run.catalog.reviews()
    run.catalog.decide(review.id, "approve", "ann")
    assert publish_approved(run) == {"published": 1}
    assert publish_approved(run) == {}
    assert run.objects.exists(object_keys.manifest(review.shot))


def test_one_damaged_manifest_fails_its_shot_and_the_others_are_published(run: Run) -> None:
    keys = planned(run, prompt="damaged manifest")
    shoot(run, keys)
    for review in run.catalog.reviews():
        run.catalog.decide(review.id, "approve", "ann")
    damaged, whole = run.catalog.shots(keys)
    run.objects.put(object_keys.manifest(damaged), b"{}", "application/json")
    assert publish_approved(run) == {"failed": 1, "published": 1}
    assert "is not a manifest" in (run.catalog.history(damaged.key).record.reason or "")
    assert run.objects.exists(object_keys.manifest(whole))


def test_damaged_measurements_are_made_again(run: Run) -> None:
    keys = planned(run, prompt="damaged scorecard")
    refined = refine(run, compose(run, face(run, keys)))
    (first, *_) = (run.catalog.takes([key])[key][0].take for key in refined)
    key = object_keys.measurements(first, run.service.bundle().scorers)
    run.objects.put(key, b'{"values": {"sharp', "application/json")
    assert score(run, refined) == refined
    assert all(record.scorecard for taken in run.catalog.takes(refined).values() for record in taken)


def test_what_other_scorers_measured_is_measured_again_where_the_service_is_there(run: Run) -> None:
    keys = planned(run, prompt="other scorers")
    for measured_again in (lambda: score(run, keys), lambda: [judge_again(run, measure=True)]):
        shoot(run, keys)
        (record, *_) = (takes[0] for takes in run.catalog.takes(keys).values())
        old = Scorecard(Measurements({"product": 0.123}, scorers="an older scorer"), Verdict.REVIEW)
        run.catalog.record_scorecard(record.take.key, old)
        assert measured_again()
        (card, *_) = (takes[0].scorecard for takes in run.catalog.takes(keys).values())
        assert card is not None and card.measured.scorers == run.service.bundle().scorers
        assert card.values != old.values


def test_measurements_that_were_lost_after_they_were_recorded_are_taken_again(run: Run) -> None:
    keys = planned(run, prompt="lost measurements")
    refined = score(run, refine(run, compose(run, face(run, keys))))
    made = items_made(run)
    (record,) = run.catalog.takes([refined[0]])[refined[0]]
    run.objects.delete(record.outputs["score"].ref.key)
    assert score(run, refined) == refined
    assert items_made(run) == made + 1
    assert run.objects.exists(record.outputs["score"].ref.key)


def test_a_second_run_over_an_unchanged_catalog_makes_nothing(run: Run) -> None:
    shoot(run, planned(run, prompt="two"))
    made = items_made(run)
    assert keys_of(run) == []
    assert finish(run, []) == {}
    assert items_made(run) == made


def test_a_repeated_stage_makes_only_what_is_missing(run: Run) -> None:
    keys = planned(run, prompt="three")
    compose(run, face(run, keys)[:1])
    made = items_made(run)
    assert compose(run, face(run, keys)) == keys
    assert items_made(run) == made + 1
    assert compose(run, keys) == keys
    assert items_made(run) == made + 1


def test_a_catalog_that_was_lost_takes_over_what_the_bucket_has(run: Run, new_catalog: Callable[[], Catalog]) -> None:
    keys = planned(run, prompt="four")
    outcome = shoot(run, keys)
    made = items_made(run)
    again = replace(run, catalog=new_catalog(), id=RunKey("campaign", "another run"))
    assert shoot(again, planned(again, prompt="four")) == outcome
    assert items_made(run) == made


def test_a_failed_row_that_was_mended_is_made_on_request(run: Run) -> None:
    keys = planned(run, "MUG-1", "MUG-2", prompt="five")
    assert shoot(run, keys) == {}
    assert keys_of(run) == []
    assert sorted(keys_of(run, Reprocess.FAILED)) == sorted(keys)


def test_a_take_that_is_not_good_enough_is_followed_by_others_with_changes(run: Run) -> None:
    keys = planned(run, prompt="six", max_takes=2)
    for key in scored(run, keys):
        takes = run.catalog.takes([key])[key]
        assert [each.take.number for each in takes] == [1, 2]
        assert len({each.take.seed for each in takes}) == 2
        assert "steps" in takes[1].take.changes
        assert all(each.refined is not None for each in takes)


def scored(run: Run, keys: list[str]) -> list[str]:
    """Through the stages, with first takes so soft that they ask for another one."""
    refined = refine(run, compose(run, face(run, keys)))
    for key in refined:
        finding = Finding(Reason.LOW, "sharpness", 0.1, 0.75)
        soft = Scorecard(Measurements({"sharpness": 0.1}), Verdict.RETAKE, (finding,))
        run.catalog.record_scorecard(run.catalog.takes([key])[key][-1].take.key, soft)
    return retake(run, refined)


def test_a_rejected_shot_gets_a_new_take_on_request(run: Run) -> None:
    keys = planned(run, prompt="seven")
    shoot(run, keys)
    for review in run.catalog.reviews():
        run.catalog.decide(review.id, "reject", "ann", "face is wrong")
    assert keys_of(run) == []
    again = keys_of(run, Reprocess.REJECTED)
    assert sorted(again) == sorted(keys)
    other = replace(run, id=RunKey("campaign", "another run"))
    claim_shots(
        other, RunPlan([Chosen.of(shot) for shot in run.catalog.shots(again)]), {"reprocess": "rejected"}, nobody
    )
    shoot(other, again)
    assert {each.take.take.number for each in run.catalog.reviews()} == {2}


def test_heat_maps_are_made_on_request_and_lie_beside_the_take(run: Run) -> None:
    keys = planned(run, "MUG-2", prompt="maps")
    shoot(run, keys)
    said = explain(run, keys)
    (record,) = run.catalog.takes([keys[0]])[keys[0]]
    sheet = object_keys.attribution(record.take)
    assert said == {keys[0]: sheet, keys[1]: "it has no take that was scored"}
    with Image.open(io.BytesIO(run.objects.get(sheet))) as shown:
        assert shown.width > 2 * shown.height
    card = record.scorecard
    assert card is not None and 0 < card.values["attention"] <= 1
    made = items_made(run)
    assert explain(run, keys[:1]) == {keys[0]: sheet}
    assert items_made(run) == made


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")
def test_a_published_layout_goes_to_people_until_their_answers_calibrate_it(
    catalog: Catalog, settings: ObjectSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sd15", "ip-adapter", "siglip2"):
        write(tmp_path / name, name)
    (tmp_path / "bundle").mkdir()
    write_card(tmp_path / "bundle", local(read_card(BUNDLES / "sd15"), tmp_path))
    monkeypatch.setattr(calibration, "ENOUGH", 4)
    with running_service(tmp_path / "bundle", settings, batch=4) as service:
        run = Run(catalog, Objects(settings), service, RunKey("campaign", "layout"))
        keys = planned(run, thresholds={}, framings=(Framing.STILL,), variants=2, prompt="calibrated")
        assert shoot(run, keys) == {"review": 4}
        assert not calibration.calibrate_when_due(run)
        for number, review in enumerate(run.catalog.reviews()):
            card = review.take.scorecard
            assert card is not None and {"prompt", "safety"} <= card.values.keys()
            # Random weights tell no place from another, which is found out before they are believed.
            assert "environment" in card.measured.unavailable
            assert card.findings[-1].reason is Reason.UNCALIBRATED
            run.catalog.decide(review.id, "reject" if number == 3 else "approve", "ann", "")
        assert calibration.calibrate_when_due(run)
        known, own = run.catalog.calibrated(service.bundle()), service.bundle().thresholds
        assert known.calibrated == 4
        assert known.thresholds["prompt"] != own["prompt"]
        assert known.thresholds["safety"] == own["safety"]
        more = planned(run, thresholds={}, framings=(Framing.STILL,), variants=3, prompt="calibrated")
        shoot(run, more)
        later = [run.catalog.takes([key])[key][0].scorecard for key in more]
        assert len(later) == 2
        assert Reason.UNCALIBRATED not in [each.reason for card in later if card for each in card.findings]


def test_clearing_a_task_makes_no_new_take_of_what_a_person_rejected(run: Run) -> None:
    keys = planned(run, prompt="eight")
    shoot(run, keys)
    for review in run.catalog.reviews():
        run.catalog.decide(review.id, "reject", "ann", "face is wrong")
    shoot(run, keys)
    assert {len(takes) for takes in run.catalog.takes(keys).values()} == {1}
    assert set(run.catalog.states(keys).values()) == {ShotState.REJECTED}


def test_a_take_that_a_person_asks_for_is_made_with_its_words_and_shown_to_a_person(run: Run) -> None:
    keys = planned(run, prompt="nine")
    shoot(run, keys)
    first, *_ = run.catalog.reviews()
    with run.catalog.begin() as session:
        decisions.decide(session, first.id, Decision.RETAKE, "ann", "too cold", RetakeChanges("warm light"))
    other = replace(run, id=RunKey("retakes", "one"))
    wanted = plan_requested(other)
    assert [shard.keys for shard in claim_shots(other, wanted, {}, nobody)] == [(first.shot.key,)]
    shoot(other, [first.shot.key])
    waiting = {each.shot.key: each.take.take for each in run.catalog.reviews()}
    assert (waiting[first.shot.key].number, waiting[first.shot.key].words) == (2, "warm light")
    assert plan_requested(other).shots == []


def delete(objects: Objects, key: str) -> None:
    objects.delete(key)


def damage(objects: Objects, key: str) -> None:
    objects.delete(key)
    objects.put(key, b"not as it was", "image/png")


def lose(run: Run, key: str, stage: str, loss: Callable[[Objects, str], None]) -> None:
    """Lose what a stage left of a shot's first take."""
    loss(run.objects, run.catalog.takes([key])[key][0].outputs[stage].ref.key)


@pytest.mark.parametrize("loss", [delete, damage])
def test_portraits_and_composed_pictures_that_are_lost_are_made_again(
    run: Run, loss: Callable[[Objects, str], None]
) -> None:
    (key,) = planned(run, prompt=f"lost early, {loss.__name__}", products=("MUG-1",))
    (shot,) = run.catalog.shots(face(run, [key]))
    loss(run.objects, object_keys.portrait(shot.portrait_key or ""))
    assert compose(run, [key]) == [key]
    lose(run, key, "compose", loss)
    assert refine(run, [key]) == [key]
    assert is_whole(run, run.catalog.takes([key])[key][0].outputs["compose"])


@pytest.mark.parametrize("loss", [delete, damage])
def test_refined_pictures_that_are_lost_are_made_again_with_what_they_are_made_from(
    run: Run, loss: Callable[[Objects, str], None]
) -> None:
    (key,) = planned(run, prompt=f"lost late, {loss.__name__}", products=("MUG-1",))
    refine(run, [key])
    lose(run, key, "refine", loss)
    lose(run, key, "compose", loss)
    assert score(run, [key]) == [key]
    lose(run, key, "refine", loss)
    assert settle(run, retake(run, [key])) == {"review": 1}
    for record in run.catalog.takes([key])[key]:
        assert is_whole(run, record.outputs["refine"])


@pytest.mark.parametrize("loss", [delete, damage])
def test_what_is_lost_after_an_approval_is_made_by_the_next_run_and_published(
    run: Run, loss: Callable[[Objects, str], None]
) -> None:
    keys = planned(run, prompt=f"approved {loss.__name__}", products=("MUG-1",))
    shoot(run, keys)
    for review in run.catalog.reviews():
        loss(run.objects, object_keys.refined(review.take.take))
        run.catalog.decide(review.id, "approve", "ann")
    assert publish_approved(run) == {"planned": 1}
    assert publish_approved(run) == {}
    again = replace(run, id=RunKey("catalog", "the next night"))
    assert shoot(again, keys_of(again)) == {"published": 1}


def test_a_take_made_on_a_persons_wish_is_shown_to_a_person_however_good_or_bad_it_is(run: Run) -> None:
    keys = planned(run, prompt="wished for", max_takes=1)
    shoot(run, keys)
    for review in run.catalog.reviews():
        run.catalog.decide(review.id, "reject", "ann", "face is wrong")
    assert settle(run, keys) == {"rejected": 2}
    assert "rejected by ann: face is wrong" in str(run.catalog.history(keys[0]).record.reason)
    again = plan_run(run, RunRequest(choice=Choice(Reprocess.REJECTED)))
    claim_shots(run, again, {"reprocess": "rejected"}, nobody)
    scored = score(run, refine(run, compose(run, face(run, [shot.key for shot in again.shots]))))
    for key, verdict in zip(scored, (Verdict.ACCEPT, Verdict.REJECT), strict=True):
        run.catalog.record_scorecard(
            run.catalog.takes([key])[key][1].take.key, Scorecard(Measurements({"product": 0.1}), verdict)
        )
    assert settle(run, scored) == {"review": 2}
    assert {review.reasons for review in run.catalog.reviews()} == {(ASKED_FOR,)}


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (Verdict.ACCEPT, "published"),
        (Verdict.REVIEW, "review"),
        (Verdict.RETAKE, "review"),
        (Verdict.REJECT, "rejected"),
        (None, "failed"),
    ],
)
def test_every_verdict_has_its_outcome(run: Run, verdict: Verdict | None, state: str) -> None:
    keys = planned(run, prompt="verdicts")
    for shot in run.catalog.shots(keys):
        made = take(shot.key, shot.seed, 1)
        picture = run.objects.put(object_keys.refined(made), PNG, "image/png", keep_first=True)
        run.catalog.record_output(made, "refine", StageOutput(picture.ref))
        if verdict is not None:
            run.catalog.record_scorecard(made.key, Scorecard(Measurements({"product": 0.5}), verdict))
    assert settle(run, keys) == {state: 2}
    assert set(run.catalog.states(keys).values()) == {state}


def test_what_a_run_holds_is_published_once_a_person_signs_it_off(run: Run) -> None:
    keys = planned(run, prompt="sign-off")
    for shot in run.catalog.shots(keys):
        made = take(shot.key, shot.seed, 1)
        picture = run.objects.put(object_keys.refined(made), PNG, "image/png", keep_first=True)
        run.catalog.record_output(made, "refine", StageOutput(picture.ref))
        run.catalog.record_scorecard(made.key, Scorecard(Measurements({"product": 0.9}), Verdict.ACCEPT))
    claim_shots(run, RunPlan([Chosen.of(shot) for shot in run.catalog.shots(keys)]), {"sign_off": True}, nobody)
    assert settle(run, keys, hold=True) == {"review": 2}
    asked = question(run)
    assert asked is not None
    assert asked.subject == "Publish 2 pictures of autumn?"
    assert asked.body.count("](/gallery/image/takes/") == 2
    run.catalog.decide(run.catalog.reviews()[0].id, "reject", "ben", "face is wrong")
    assert agree(run, "ann") == {"published": 1}
    assert question(run) is None
    assert sorted(run.catalog.states(keys).values()) == [ShotState.PUBLISHED, ShotState.REJECTED]


def test_a_summary_fails_while_shots_are_unfinished(run: Run) -> None:
    keys = planned(run, prompt="eight")
    compose(run, face(run, keys))
    with pytest.raises(RunUnfinished, match="2 of 2 shots are unfinished"):
        finish(run, keys)


def test_a_campaign_that_cannot_be_planned_leaves_the_others(run: Run) -> None:
    planned(run, prompt="ten")
    run.catalog.save_campaigns([campaign("broken", environments=("moon",))])
    outcome = plan_run(run, RunRequest())
    assert list(outcome.problems) == ["broken"]
    assert "'moon' is not in the catalog" in outcome.problems["broken"]
    assert len(outcome.shots) == 2
    with pytest.raises(RowMissing, match="summer"):
        plan_run(run, RunRequest(["summer"]))


def test_a_published_picture_is_made_again_from_what_is_recorded(run: Run, bundle: Path) -> None:
    keys = planned(run, prompt="again", width=256, height=256)
    with pytest.raises(NotReproducible, match="has no picture of which is known who made it"):
        reproduce(run.catalog, run.objects, keys[0], bundle, "cpu")
    shoot(run, keys)
    for review in run.catalog.reviews():
        run.catalog.decide(review.id, "approve", "ann")
    publish_approved(run)
    before = list(run.objects.list_keys("takes/"))
    found = reproduce(run.catalog, run.objects, keys[0], bundle, "cpu")
    assert found.same, str(found)
    assert list(run.objects.list_keys("takes/")) == before
    # Where the product and the face are is recorded with the take and told in the manifest.
    publication = run.catalog.history(keys[0]).record.publication
    assert publication is not None
    composition = json.loads(run.objects.get(publication.manifest.key))["composition"]
    assert set(composition["areas"]) == {"product", "face"}
    assert "product" in composition["kept"]
    _assert_true_product(run, keys[0], publication, Area(**composition["areas"]["product"]))


def _assert_true_product(run: Run, key: str, publication: Publication, area: Area) -> None:
    """Within its outline, two pixels of feather and one of rounding apart (the area is noted at the size at which the
    models draw), the published product is its packshot's pixels, resized."""
    (shot,) = run.catalog.shots([key])
    packshot = shot.product.packshot
    cut = cut_out(read_image(run.objects.get(packshot.key, packshot.sha256), "packshot")).image
    master = read_image(run.objects.get(publication.master.key), "master")
    left, top, right, bottom = (
        round(edge * length)
        for edge, length in zip((area.left, area.top, area.right, area.bottom), master.size * 2, strict=True)
    )
    resized = cut.resize((right - left, bottom - top), Image.Resampling.LANCZOS)
    alpha = ImageOps.expand(resized.getchannel("A"), 4)  # what lies outside the crop is no product
    inside = np.asarray(alpha.filter(ImageFilter.MinFilter(7)))[4:-4, 4:-4] == 255
    assert inside.mean() > 0.3
    shown = np.asarray(master.crop((left, top, right, bottom)))
    apart = np.abs(shown.astype(int) - np.asarray(resized.convert("RGB")).astype(int)).max(axis=2)
    assert apart[inside].max() == 0, apart


def test_superseded_takes_are_cleared_and_published_pictures_stay(run: Run) -> None:
    keys = planned(run, prompt="eleven")
    shoot(run, keys)
    for review in run.catalog.reviews():
        run.catalog.decide(review.id, "approve", "ann")
    publish_approved(run)
    run.catalog.save_campaigns([campaign(prompt="twelve")])
    keys_of(run)
    assert clear_takes(run, 30) == 0
    with run.catalog.engine.begin() as connection:
        past = datetime.now(UTC) - timedelta(days=31)
        connection.execute(update(ShotRow).where(ShotRow.key.in_(keys)).values(updated_at=past))
    assert clear_takes(run, 30) == len(keys)
    assert clear_takes(run, 30) == 0
    for shot in run.catalog.shots(keys):
        assert list(run.objects.list_keys(object_keys.takes_of(shot.key))) == []
        published = run.catalog.history(shot.key).record.publication
        assert published is not None and run.objects.exists(published.master.key)


def test_casting_draws_portraits_without_shots(run: Run) -> None:
    run.catalog.save_personas([persona("cleo", seed=99), persona("dan", seed=98)])
    made = cast(run, ["cleo"])
    assert list(made) == ["cleo"]
    assert run.objects.exists(made["cleo"])
    assert sorted(cast(run, [])) == ["cleo", "dan"]
    with pytest.raises(RowMissing, match="'eve' is not in the catalog, which has cleo, dan"):
        cast(run, ["eve"])


def test_a_person_chooses_another_candidate(run: Run) -> None:
    """It becomes the persona's own portrait; what it was chosen from can still be seen."""
    cleo = persona("cleo", seed=99)
    run.catalog.save_personas([cleo])
    assert candidates(run, "cleo") == []
    prefix = object_keys.candidates(portrait_key(cleo, run.service.bundle().fingerprint))
    keys = [f"{prefix}{number}.png" for number in (1, 2)]
    for number, key in enumerate(keys):
        run.objects.put(key, b"candidate %d" % number, "image/png")
    chosen = choose(run, "cleo", keys[1], "ada")
    assert run.objects.get(chosen.key, chosen.sha256) == b"candidate 1"
    assert run.catalog.personas()["cleo"].portrait == chosen
    assert candidates(run, "cleo") == keys
    with run.catalog.begin() as session:
        (entry,) = audit.entries(session, audit.AuditFilter(action="portrait"))
    assert (entry.who, entry.details["persona"]) == ("ada", "cleo")
    with pytest.raises(ValueError, match="is no candidate of 'cleo'; there are"):
        choose(run, "cleo", "portraits/other.png", "ada")
    with pytest.raises(RowMissing, match="'eve' is not in the catalog"):
        candidates(run, "eve")


def test_the_best_take_has_the_best_verdict_then_the_highest_mean(run: Run) -> None:
    def record(number: int, verdict: Verdict, value: float) -> TakeRecord:
        return TakeRecord(take("a" * 32, 1, number), {}, Scorecard(Measurements({"product": value}), verdict))

    takes = [record(1, Verdict.REJECT, 0.9), record(2, Verdict.REVIEW, 0.5), record(3, Verdict.REVIEW, 0.6)]
    best = best_take(takes)
    assert best is not None
    assert best.take.number == 3
    assert best_take([TakeRecord(takes[0].take)]) is None


def test_of_poor_takes_the_better_one_is_shown_and_of_hopeless_ones_none() -> None:
    thresholds = {"product": Threshold(0.9, 0.75)}
    takes = [
        TakeRecord(take("a" * 32, 1, number), {}, judge(Measurements({"product": value}), thresholds))
        for number, value in enumerate((0.01, 0.7, 0.5), start=1)
    ]
    best = best_take(takes)
    assert best is not None
    assert best.take.number == 2
    hopeless = [judge(Measurements({"product": value}), thresholds) for value in (0.01, 0.29)]
    assert [card.verdict for card in hopeless] == [Verdict.REJECT, Verdict.REJECT]


def test_a_take_that_a_person_turned_down_is_never_the_best_and_one_approved_always_is(run: Run) -> None:
    def record(number: int, verdict: Verdict, value: float, decision: Decision | None = None) -> TakeRecord:
        return TakeRecord(take("a" * 32, 1, number), {}, Scorecard(Measurements({"product": value}), verdict), decision)

    turned_down, worse = record(1, Verdict.ACCEPT, 0.9, Decision.REJECT), record(2, Verdict.REVIEW, 0.5)
    assert best_take([turned_down, worse]) == worse
    assert best_take([turned_down]) is None
    approved = record(3, Verdict.REVIEW, 0.1, Decision.APPROVE)
    assert best_take([record(4, Verdict.ACCEPT, 0.9), approved]) == approved


def test_a_superseded_shot_is_left_alone(run: Run) -> None:
    keys = planned(run, prompt="thirteen")
    run.catalog.save_campaigns([campaign(prompt="fourteen")])
    keys_of(run)
    shoot(run, keys)
    assert set(run.catalog.states(keys).values()) == {ShotState.SUPERSEDED}
