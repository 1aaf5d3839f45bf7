"""A foreign catalog on the starter bundle: nothing is accepted that it cannot know, nothing refused by a score that
means nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from brief.plan import plan
from brief.recipe import take
from brief.types import Campaign, Environment, Framing, ImageRef, Product, Reason, Scorecard, Verdict
from generation.models import Models
from generation.scene.material import Material
from generation.studio import Studio
from pipeline.judge import judge_take
from tests.generation.takes import ADA

IMAGES = Path(__file__).parents[1] / "foreign" / "images"
STARTER = Path(__file__).parents[2] / "bundles" / "starter"


@pytest.fixture(scope="module")
def cards() -> list[Scorecard]:
    """A shot of each product, every other one with a person, through all stages."""
    studio = Studio(Models.open(STARTER))
    products = {file.stem: product(file) for file in sorted(IMAGES.glob("*.webp"))}
    places = {
        file.stem: Environment(file.stem, f"at a {file.stem}", ImageRef(file.name, "1" * 64))
        for file in sorted(IMAGES.glob("*.jpg"))
    }
    wanted = Campaign("foreign", "", (), tuple(places), (ADA.name,), (Framing.HELD, Framing.STILL), shots_per_product=1)
    shots = plan(wanted, products, places, {ADA.name: ADA}, studio.info).shots
    (portrait,) = studio.faces({"ada": ADA})
    takes = [
        Material(
            shot,
            take(shot.key, shot.seed, 1),
            packshot=(IMAGES / shot.product.packshot.key).read_bytes(),
            photo=(IMAGES / shot.environment.photo.key).read_bytes(),
            portrait=portrait.image,
        )
        for shot in shots
    ]
    for stage in (studio.compose, studio.refine):
        takes = [replace(each, picture=made.image) for each, made in zip(takes, stage(takes), strict=True)]
    return [
        judge_take(made.measured, each.shot, studio.info)
        for each, made in zip(takes, studio.score(takes), strict=True)
        if made.measured is not None
    ]


def product(file: Path) -> Product:
    with Image.open(file) as image:
        assert image.mode == "RGBA"
    return Product(file.stem, file.stem.replace("-", " "), "things", ImageRef(file.name, "0" * 64))


def test_a_person_decides_about_all_of_it(cards: list[Scorecard]) -> None:
    assert len(cards) == 16
    assert {card.verdict for card in cards} == {Verdict.REVIEW}


def test_no_score_says_anything_about_what_the_models_never_saw(cards: list[Scorecard]) -> None:
    for card in cards:
        assert not {"prompt", "product", "environment", "faces"} & set(card.values)
        assert "product" in card.measured.kept
        (unknown,) = (each for each in card.findings if each.dimension == "prompt")
        assert unknown.reason is Reason.UNAVAILABLE
        assert "the bundle's CLIP" in unknown.why
