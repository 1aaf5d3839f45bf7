"""Verdicts from measurements, findings in words, the best take, and what the next take does otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from brief.dimensions import DIMENSIONS, sentence, sentences
from brief.recipe import Recipe
from brief.types import Finding, Framing, Measurements, Reason, Scorecard, Threshold, Verdict
from generation.bundle.card import read_card
from pipeline.judge import judge, judge_take, suggest_changes, thresholds_for, wants_retake
from tests.storage.samples import BUNDLE, a_shot

THRESHOLDS = {"product": Threshold(0.8, 0.6), "sharpness": Threshold(0.5, 0.3)}
ROOT = Path(__file__).resolve().parents[2]
CALIBRATED = replace(BUNDLE, thresholds=THRESHOLDS, calibrated=50)


def measured(**values: float) -> Measurements:
    return Measurements(values)


@pytest.mark.parametrize(
    ("product", "verdict"),
    [
        (0.9, Verdict.ACCEPT),
        (0.8, Verdict.ACCEPT),
        (0.7, Verdict.REVIEW),
        (0.41, Verdict.RETAKE),
        (0.2, Verdict.REJECT),
    ],
)
def test_bands_decide(product: float, verdict: Verdict) -> None:
    assert judge(measured(product=product, sharpness=0.9), THRESHOLDS).verdict is verdict


def test_a_finding_says_dimension_value_limit_and_meaning() -> None:
    card = judge(measured(product=0.41, sharpness=0.9), THRESHOLDS)
    assert card.findings == (Finding(Reason.LOW, "product", 0.41, 0.6),)
    assert sentences(card) == ("product 0.41 is below 0.60: the packshot's colours and shape are not met",)


def test_the_numbers_of_a_sentence_tell_apart() -> None:
    card = judge(measured(product=0.7996, sharpness=0.9), THRESHOLDS)
    assert sentences(card)[0].startswith("product 0.7996 is below 0.8000")


def test_no_dimension_makes_up_for_another() -> None:
    assert judge(measured(product=1.0, sharpness=0.2), THRESHOLDS).verdict is Verdict.RETAKE


def test_what_cannot_be_measured_is_reviewed() -> None:
    card = judge(Measurements({"product": 1.0}, {"sharpness": "no luma"}), THRESHOLDS)
    assert (card.verdict, sentences(card)) == (Verdict.REVIEW, ("sharpness is unavailable: no luma",))


def test_what_is_kept_needs_no_score() -> None:
    assert judge(Measurements({"sharpness": 0.9}, kept=("product",)), THRESHOLDS).verdict is Verdict.ACCEPT


def test_pixels_that_should_be_kept_and_are_not_are_for_a_person_and_not_for_a_retake() -> None:
    card = judge(Measurements({"sharpness": 0.9}, kept=("environment",), altered={"product": 0.041}), THRESHOLDS)
    assert card.verdict is Verdict.REVIEW
    assert sentences(card) == ("product: 4.1% of the pixels that should be the original's own are not",)
    assert not wants_retake(card, Recipe())


def test_a_bundle_without_thresholds_is_reviewed() -> None:
    card = judge(measured(product=1.0), {})
    assert (card.verdict, [each.reason for each in card.findings]) == (Verdict.REVIEW, [Reason.UNCALIBRATED])


@pytest.mark.parametrize("product", [1.0, 0.01])
def test_thresholds_that_nobody_calibrated_neither_accept_nor_refuse(product: float) -> None:
    card = judge(measured(product=product, sharpness=1.0), THRESHOLDS, calibrated=False)
    assert card.verdict is Verdict.REVIEW
    assert sentence(card.findings[-1]) == "the thresholds are not calibrated, so a person decides"


def test_a_campaign_moves_its_own_thresholds() -> None:
    thresholds = thresholds_for(THRESHOLDS, {"product": 0.4, "prompt": 0.2})
    assert thresholds["product"].review == pytest.approx(0.3)
    assert thresholds["prompt"].review == pytest.approx(0.15)
    assert thresholds["sharpness"] == THRESHOLDS["sharpness"]


@pytest.mark.parametrize("unknown", ["prompt", "identity"])
def test_nothing_is_accepted_of_which_nobody_knows_what_it_shows(unknown: str) -> None:
    perfect = Measurements({each.name: 1.0 for each in DIMENSIONS if each.name != unknown}, {unknown: "no model"})
    card = judge_take(perfect, a_shot(thresholds={}), CALIBRATED)
    assert card.verdict is Verdict.REVIEW
    assert card.findings == (Finding(Reason.UNAVAILABLE, unknown, why="no model"),)
    known = replace(perfect, values={**perfect.values, unknown: 0.1})
    assert judge_take(known, a_shot(thresholds={}), CALIBRATED).verdict is Verdict.ACCEPT


@pytest.mark.parametrize(("wholeness", "verdict"), [(1.0, Verdict.ACCEPT), (0.0, Verdict.REVIEW)])
def test_a_doubtful_outline_is_for_a_person_and_for_no_retake(wholeness: float, verdict: Verdict) -> None:
    still = a_shot(framing=Framing.STILL, persona=None, portrait_key=None, thresholds={})
    card = judge_take(measured(product=1.0, sharpness=1.0, prompt=0.9, cutout=wholeness), still, CALIBRATED)
    assert card.verdict is verdict
    assert card.low == (() if verdict is Verdict.ACCEPT else ("cutout",))
    assert not wants_retake(card, Recipe(product_keep=0.0))


def test_a_picture_of_nobody_is_not_asked_for_a_face() -> None:
    still = a_shot(framing=Framing.STILL, persona=None, portrait_key=None, thresholds={"identity": 0.9})
    card = judge_take(measured(product=1.0, sharpness=1.0, prompt=0.9), still, CALIBRATED)
    assert card.verdict is Verdict.ACCEPT


@pytest.mark.parametrize("name", ["sd15", "sdxl", "sd15-inpaint", "sdxl-inpaint"])
def test_noise_is_not_accepted_on_bundles_that_cannot_measure_the_words(name: str) -> None:
    card = read_card(ROOT / "bundles" / name)
    noise = Measurements({"sharpness": 0.95, "exposure": 1.0, "environment": 1.0, "identity": 1.0}, kept=("product",))
    bundle = replace(card.info, calibrated=50)
    assert judge_take(noise, a_shot(thresholds={}), bundle).verdict is Verdict.REVIEW
    assert judge_take(replace(noise, values={**noise.values, "prompt": 1.0}), a_shot(thresholds={}), card.info).findings


def test_a_further_take_is_of_no_use_where_the_low_pixels_are_kept() -> None:
    card = judge(measured(product=0.1, sharpness=0.9), THRESHOLDS)
    assert card.low == ("product",)
    assert not wants_retake(card, Recipe(product_keep=1.0))
    assert wants_retake(card, Recipe(product_keep=0.5))
    soft = judge(measured(product=0.1, sharpness=0.1), THRESHOLDS)
    assert wants_retake(soft, Recipe(product_keep=1.0))
    assert not wants_retake(judge(measured(product=0.7, sharpness=0.4), THRESHOLDS), Recipe(product_keep=0.5))


def test_the_next_take_changes_what_failed_and_nothing_else() -> None:
    recipe = Recipe()
    thresholds = {name: Threshold(0.8, 0.6) for name in ("product", "identity", "environment", "prompt", "sharpness")}
    for name, numbers in {
        "product": {"product_strength"},
        "identity": {"face_strength", "face_keep"},
        "environment": {"environment_keep", "environment_strength"},
        "prompt": {"guidance", "guidance_until"},
        "sharpness": {"steps"},
    }.items():
        changes = suggest_changes(
            judge(Measurements({**dict.fromkeys(thresholds, 1.0), name: 0.1}), thresholds), recipe
        )
        assert set(changes) == numbers
        recipe.changed(changes)
    assert suggest_changes(Scorecard(measured(), Verdict.ACCEPT), recipe) == {}


def test_the_next_take_never_keeps_less_of_the_place() -> None:
    card = judge(measured(environment=0.1), {"environment": Threshold(0.8, 0.6)})
    assert "environment_keep" not in suggest_changes(card, Recipe(environment_keep=0.95))
