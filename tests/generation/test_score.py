"""Measures that mean something: each tells what it is named after from what it is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image, ImageEnhance, ImageFilter

from generation.bundle.load import Bundle
from generation.compose import lay_out
from generation.models import Models
from generation.painters.stable_diffusion.painter import StableDiffusion
from generation.scene.colour import from_lab, to_lab
from generation.score.product import product_similarity
from generation.score.technical import exposure, sharpness
from generation.studio import Studio
from tests.generation.conftest import picture
from tests.generation.takes import inputs


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


def test_every_dimension_is_measured_that_can_be(bundle: Bundle, packshot: Image.Image) -> None:
    studio = Studio(Models.of(bundle))
    takes = [inputs(packshot, 0), inputs(packshot, 3)]
    composed = {made.key: made.image for made in studio.compose(takes)}
    cards = {
        made.key: made.measured for made in studio.score([replace(take, picture=composed[take.key]) for take in takes])
    }
    person, still = (cards[take.key] for take in takes)
    assert person is not None and still is not None
    assert set(person.values) == {"sharpness", "exposure", "product", "cutout", "environment", "identity"}
    assert set(still.values) == {"sharpness", "exposure", "product", "cutout", "environment"}
    assert person.values["product"] > 0.95
    assert all(0 <= value <= 1 for value in person.values.values())


def test_a_doubtful_outline_is_told_and_the_cutout_comes_along(bundle: Bundle, packshot: Image.Image) -> None:
    cut_off = packshot.crop((0, 0, packshot.width, 80))
    for shown, doubtful in ((packshot, False), (cut_off, True)):
        take = replace(inputs(packshot, 3), packshot=shown, picture=picture(5, (64, 64)))
        (made,) = Studio(Models.of(bundle)).score([take])
        assert made.measured is not None
        assert (made.measured.values["cutout"] < 0.5) == doubtful
        assert made.cutout is not None and made.cutout.width == 51


def test_a_picture_that_is_not_there_is_named(bundle: Bundle, packshot: Image.Image) -> None:
    (made,) = Studio(Models.of(bundle)).score([inputs(packshot, 0)])
    assert made.error == "picture of 'SKU-0' is missing"
