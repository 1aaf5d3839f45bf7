"""Thresholds from people's answers, and takes judged again without a service."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from click.testing import CliRunner
from PIL import Image

from brief.dimensions import sentences
from brief.recipe import take
from brief.thresholds import Labelled, TooFewLabels, threshold_of
from brief.types import Measurements, Scorecard, Shot, Threshold, Verdict
from pipeline.calibration import ENOUGH, calibrate, calibrate_when_due, judge_again
from pipeline.commands import main
from pipeline.judge import judge_take
from pipeline.run import Run
from pipeline.settle import settle
from service.client import GenerationClient, ServiceUnreachable
from storage.bucket import keys as object_keys
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.catalog.records import StageOutput
from storage.catalog.tables import ShotState
from tests.storage.samples import BUNDLE, MADE_BY, RUN, campaign, planned

MEASURED_BY = replace(
    BUNDLE, stand_in=False, thresholds={"product": Threshold(0.8, 0.6)}, calibrated=100, scorers="5" * 32
)
KNOWN = {"prompt": 1.0, "identity": 1.0}


@pytest.fixture
def run(catalog: Catalog, objects: Objects) -> Run:
    """Nobody answers at its service."""
    return Run(catalog, objects, GenerationClient("http://127.0.0.1:1", "x"), RUN)


def scored(run: Run, shots: list[Shot], *products: float, by: str = MEASURED_BY.scorers) -> None:
    """A first take of each shot with its picture, measured by a service that is gone now."""
    bundle = replace(MEASURED_BY, scorers=by)
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), (90, 120, 40)).save(picture, "PNG")
    for shot, product in zip(shots, products, strict=True):
        made = take(shot.key, shot.seed, 1)
        stored = run.objects.put(object_keys.refined(made), picture.getvalue(), "image/png")
        run.catalog.record_output(made, "refine", StageOutput(stored.ref, 1.0, MADE_BY))
        card = judge_take(Measurements({"product": product, **KNOWN}, scorers=by), shot, bundle)
        made_by = replace(MADE_BY, bundle=bundle)
        run.catalog.record_scorecard(made.key, card, StageOutput(stored.ref, 0.1, made_by))


def set_threshold(run: Run, accept: float) -> None:
    run.catalog.save_campaigns([campaign(thresholds={"product": accept})])


def test_takes_are_judged_again_under_new_thresholds_without_a_service(run: Run) -> None:
    shots = planned(run.catalog, ("MUG-1", "MUG-2", "MUG-3"), thresholds={"product": 0.9})
    scored(run, shots, 0.7, 0.2, 0.95)
    keys = [shot.key for shot in shots]
    assert settle(run, keys) == {"review": 1, "rejected": 1, "published": 1}
    set_threshold(run, 0.5)
    assert judge_again(run) == {"judged": 2, "changed": 2, "published": 1, "review": 1}
    states = run.catalog.states(keys)
    assert [states[key] for key in keys] == [ShotState.PUBLISHED, ShotState.REVIEW, ShotState.PUBLISHED]
    (waiting,) = run.catalog.reviews()
    assert (waiting.shot.key, waiting.reasons) == (keys[1], sentences(waiting.take.scorecard or _none()))
    assert judge_again(run) == {"judged": 1, "changed": 0}


def _none() -> Scorecard:
    raise AssertionError("the take has no scorecard")


def test_stricter_thresholds_reject_and_take_the_question_back(run: Run) -> None:
    shots = planned(run.catalog, thresholds={"product": 0.5})
    scored(run, shots, 0.45)
    assert settle(run, [shots[0].key]) == {"review": 1}
    set_threshold(run, 1.0)
    strict = replace(MEASURED_BY, thresholds={"product": Threshold(1.0, 1.0)})
    assert judge_again(run, bundle=strict)["rejected"] == 1
    assert run.catalog.reviews() == []


def test_an_answer_of_a_person_is_not_judged_again(run: Run) -> None:
    shots = planned(run.catalog, thresholds={"product": 0.9})
    scored(run, shots, 0.7)
    settle(run, [shots[0].key])
    (review,) = run.catalog.reviews()
    run.catalog.decide(review.id, "reject", "ann", "no")
    set_threshold(run, 0.1)
    assert judge_again(run) == {"judged": 0, "changed": 0}
    assert run.catalog.states([shots[0].key])[shots[0].key] is ShotState.REJECTED


def test_the_shell_judges_again_and_says_what_is_missing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shots = planned(run.catalog, thresholds={"product": 0.9})
    scored(run, shots, 0.7)
    settle(run, [shots[0].key])
    set_threshold(run, 0.5)
    shell = CliRunner()
    monkeypatch.delenv("LOOKBOOK_DATABASE_URL", raising=False)
    refused = shell.invoke(main, ["judge"])
    assert (refused.exit_code, "LOOKBOOK_DATABASE_URL" in refused.output) == (1, True)
    monkeypatch.setattr("pipeline.commands.open_catalog", lambda _: run.catalog)
    monkeypatch.setattr("pipeline.commands.open_objects", lambda _: run.objects)
    assert shell.invoke(main, ["judge", "autumn"]).output == "judged 1, changed 1, published 1\n"
    monkeypatch.setenv("LOOKBOOK_SERVICE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("LOOKBOOK_SERVICE_TOKEN", "x")
    few = shell.invoke(main, ["calibrate"])
    assert (few.exit_code, "no generation service answers" in few.output) == (1, True)


def test_measuring_again_needs_the_service_and_says_so(run: Run) -> None:
    scored(run, planned(run.catalog), 0.7)
    with pytest.raises(ServiceUnreachable):
        judge_again(run, measure=True)


def test_fifty_answers_calibrate_a_bundle_that_was_not(run: Run) -> None:
    raw = replace(MEASURED_BY, calibrated=0)
    shots = planned(run.catalog, tuple(f"MUG-{number}" for number in range(ENOUGH + 1)), thresholds={})
    values = [0.3 + 0.004 * number if number % 5 == 0 else 0.7 + 0.004 * number for number in range(ENOUGH)]
    scored(run, shots, *values, 0.72)
    for shot in shots:
        record = run.catalog.takes([shot.key])[shot.key][0]
        assert record.scorecard is not None
        judged = judge_take(record.scorecard.measured, shot, raw)
        assert judged.verdict is Verdict.REVIEW
        run.catalog.record_scorecard(record.take.key, judged)
    settle(run, [shot.key for shot in shots])
    reviews = run.catalog.reviews(limit=100)
    (left,) = (review for review in reviews if (review.take.scorecard or _none()).values["product"] == 0.72)
    with pytest.raises(TooFewLabels, match="answered about 0 takes of bundle 'starter' as it is now, 50 are needed"):
        calibrate(run, raw)
    assert not calibrate_when_due(run, raw)
    for review in reviews:
        if review.id != left.id:
            good = (review.take.scorecard or _none()).values["product"] > 0.6
            run.catalog.decide(review.id, "approve" if good else "reject", "ann", "")
    assert calibrate_when_due(run, raw)
    assert not calibrate_when_due(run, raw)
    known = run.catalog.calibrated(raw)
    assert known.calibrated == ENOUGH
    assert 0.5 < known.thresholds["product"].accept < 0.71
    assert calibrate(run, raw) == known.thresholds
    assert run.catalog.calibrated(replace(raw, scorers="6" * 32)).calibrated == 0
    assert judge_again(run)["published"] == 1


def test_a_threshold_lies_between_good_and_bad_and_says_how_sure_it_is() -> None:
    good, bad = [0.8 + 0.001 * n for n in range(100)], [0.3 + 0.001 * n for n in range(100)]
    threshold, evidence = threshold_of(Labelled(tuple(good), tuple(bad)), 0.01)
    assert max(bad) < threshold.accept < min(good) + 0.01
    assert threshold.review <= threshold.accept
    assert evidence.low <= threshold.accept <= evidence.high
    assert (evidence.caught, evidence.alarms) == (1.0, 0.0)


def test_where_good_and_bad_overlap_few_good_ones_are_lost() -> None:
    values = tuple(0.5 + 0.001 * n for n in range(100))
    threshold, evidence = threshold_of(Labelled(values, values), 0.05)
    assert evidence.alarms <= 0.05
    assert threshold.accept == pytest.approx(0.505)
