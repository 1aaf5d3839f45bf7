"""Scores that mean something, verdicts in words, and what the next take does otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageFilter

from brief.recipe import Recipe
from brief.types import Scorecard, Verdict
from generation.bundle.card import Threshold, read_card
from generation.bundle.load import Bundle
from generation.compose import lay_out
from generation.models import Models
from generation.painters.stable_diffusion.painter import StableDiffusion
from generation.scene.colour import from_lab, to_lab
from generation.score.product import product_similarity
from generation.score.technical import exposure, sharpness
from generation.score.verdict import can_improve, judge, suggest_changes, thresholds_for
from generation.studio import Studio
from tests.generation.conftest import picture
from tests.generation.takes import inputs

CUTS = {"product": Threshold(0.8, 0.6), "sharpness": Threshold(0.5, 0.3)}


def _detailed() -> Image.Image:
    return picture(3, (16, 16)).resize((128, 128), Image.Resampling.NEAREST)


def test_enlarging_changes_no_sharpness() -> None:
    image = picture(1, (128, 128))
    enlarged = image.resize((512, 512), Image.Resampling.BOX)
    assert sharpness(enlarged, 128) == pytest.approx(sharpness(image, 128), abs=1e-3)


def test_blur_lowers_sharpness() -> None:
    image = _detailed()
    values = [sharpness(image.filter(ImageFilter.GaussianBlur(radius)), 512) for radius in (0, 1, 3)]
    assert values == sorted(values, reverse=True)
    assert 0 <= values[-1] < values[0] <= 1


@pytest.mark.parametrize("factor", [0.1, 4.0])
def test_darkness_and_blown_light_lower_exposure(factor: float) -> None:
    assert exposure(ImageEnhance.Brightness(_detailed()).enhance(factor)) < 0.7 < exposure(_detailed())


def test_the_products_own_pixels_score_full_and_others_low(bundle: Bundle, packshot: Image.Image) -> None:
    product = lay_out(StableDiffusion.of(bundle), inputs(packshot, 3)).product
    own = Image.alpha_composite(Image.new("RGBA", product.size, "green"), product).convert("RGB")
    turned = Image.merge("RGB", own.split()[::-1])
    assert product_similarity(own, product) > 0.99
    assert product_similarity(turned, product) < 0.5
    assert product_similarity(Image.new("RGB", product.size, (220, 30, 40)), product) < 0.5


def test_a_product_that_covers_nothing_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="covers no pixel"):
        product_similarity(picture(1), Image.new("RGBA", picture(1).size))


def test_lab_has_the_values_of_the_standard_and_comes_back() -> None:
    lab = to_lab(Image.new("RGB", (1, 1), (255, 0, 0)))[0, 0]
    assert lab.tolist() == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    image = picture(2)
    assert from_lab(to_lab(image)).tobytes() == image.tobytes()


@pytest.mark.parametrize(
    ("product", "last", "verdict"),
    [
        (0.9, False, Verdict.ACCEPT),
        (0.8, False, Verdict.ACCEPT),
        (0.7, False, Verdict.REVIEW),
        (0.41, False, Verdict.RETAKE),
        (0.41, True, Verdict.REVIEW),
        (0.2, True, Verdict.REJECT),
        (0.2, False, Verdict.REJECT),
    ],
)
def test_bands_decide(product: float, last: bool, verdict: Verdict) -> None:
    card = judge({"product": product, "sharpness": 0.9}, {}, CUTS, last=last)
    assert card.verdict is verdict


def test_a_reason_says_dimension_value_limit_and_meaning() -> None:
    card = judge({"product": 0.41, "sharpness": 0.9}, {}, CUTS, last=False)
    assert card.reasons == ("product 0.41 is below 0.60: the packshot's colours and shape are not met",)


def test_the_numbers_of_a_reason_tell_apart() -> None:
    card = judge({"product": 0.7996, "sharpness": 0.9}, {}, CUTS, last=False)
    assert card.reasons[0].startswith("product 0.7996 is below 0.8000")


def test_a_further_take_is_of_no_use_where_the_low_pixels_are_kept() -> None:
    card = judge({"product": 0.1, "sharpness": 0.9}, {}, CUTS, last=False)
    assert card.low == ("product",)
    assert not can_improve(card, Recipe(product_keep=1.0))
    assert can_improve(card, Recipe(product_keep=0.5))
    assert can_improve(replace(card, low=("product", "sharpness")), Recipe(product_keep=1.0))


@pytest.mark.parametrize("name", ["sd15", "sdxl", "sd15-inpaint", "sdxl-inpaint"])
def test_noise_is_not_accepted_on_a_bundle_that_cannot_measure_the_words(name: str) -> None:
    card = read_card(Path(__file__).resolve().parents[2] / "bundles" / name)
    noise = {"sharpness": 0.95, "exposure": 1.0, "product": 1.0, "environment": 1.0, "identity": 1.0}
    judged = judge(noise, {"prompt": "no text projection"}, thresholds_for(card.thresholds, {}), last=True)
    assert judged.verdict is Verdict.REVIEW
    assert judged.reasons == ("prompt is unavailable: no text projection",)


def test_no_dimension_makes_up_for_another() -> None:
    assert judge({"product": 1.0, "sharpness": 0.2}, {}, CUTS, last=False).verdict is Verdict.RETAKE


def test_what_cannot_be_measured_is_reviewed() -> None:
    card = judge({"product": 1.0}, {"sharpness": "no luma"}, CUTS, last=False)
    assert (card.verdict, card.reasons) == (Verdict.REVIEW, ("sharpness is unavailable: no luma",))


def test_a_bundle_without_cuts_is_reviewed() -> None:
    assert judge({"product": 1.0}, {}, {}, last=True).verdict is Verdict.REVIEW


def test_a_campaign_moves_its_own_cuts() -> None:
    cuts = thresholds_for(CUTS, {"product": 0.4, "prompt": 0.2})
    assert cuts["product"].review == pytest.approx(0.3)
    assert cuts["prompt"].review == pytest.approx(0.15)
    assert cuts["sharpness"] == CUTS["sharpness"]


def test_the_next_take_changes_what_failed_and_nothing_else() -> None:
    recipe = Recipe()
    cuts = {name: Threshold(0.8, 0.6) for name in ("product", "identity", "environment", "prompt", "sharpness")}
    for name, numbers in {
        "product": {"product_strength"},
        "identity": {"face_strength", "face_keep"},
        "environment": {"environment_keep", "environment_strength"},
        "prompt": {"guidance", "guidance_until"},
        "sharpness": {"steps"},
    }.items():
        card = judge({**dict.fromkeys(cuts, 1.0), name: 0.1}, {}, cuts, last=False)
        changes = suggest_changes(card, recipe)
        assert set(changes) == numbers
        recipe.changed(changes)
    assert suggest_changes(Scorecard({}, Verdict.ACCEPT), recipe) == {}


def test_the_next_take_never_keeps_less_of_the_place() -> None:
    card = judge({"environment": 0.1}, {}, {"environment": Threshold(0.8, 0.6)}, last=False)
    assert "environment_keep" not in suggest_changes(card, Recipe(environment_keep=0.95))


def test_a_scorecard_holds_every_dimension_that_can_be_measured(bundle: Bundle, packshot: Image.Image) -> None:
    studio = Studio(Models.of(bundle))
    takes = [inputs(packshot, 0), inputs(packshot, 3)]
    composed = {made.key: made.image for made in studio.compose(takes)}
    cards = {
        made.key: made.scorecard for made in studio.score([replace(take, picture=composed[take.key]) for take in takes])
    }
    person, still = (cards[take.key] for take in takes)
    assert person is not None and still is not None
    assert set(person.values) == {"sharpness", "exposure", "product", "environment", "identity"}
    assert set(still.values) == {"sharpness", "exposure", "product", "environment"}
    assert person.values["product"] > 0.95
    assert all(0 <= value <= 1 for value in person.values.values())


def test_identity_that_is_asked_for_but_not_measurable_is_no_matter_in_a_still(
    bundle: Bundle, packshot: Image.Image
) -> None:
    take = replace(inputs(packshot, 3, thresholds={"identity": 0.9, "prompt": 0.9}), picture=picture(5, (64, 64)))
    (made,) = Studio(Models.of(bundle)).score([take])
    assert made.scorecard is not None
    assert not any(reason.startswith("identity") for reason in made.scorecard.reasons)
    assert any(reason.startswith("prompt is unavailable") for reason in made.scorecard.reasons)


def test_a_picture_that_is_not_there_is_named(bundle: Bundle, packshot: Image.Image) -> None:
    (made,) = Studio(Models.of(bundle)).score([inputs(packshot, 0)])
    assert made.error == "picture of 'SKU-0' is missing"
