"""Measures that mean something: each tells what it is named after from what it is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from brief.recipe import Recipe
from brief.types import Measurements
from generation.bundle.load import Bundle
from generation.compose import lay_out
from generation.models import Models
from generation.painters.stable_diffusion.painter import StableDiffusion
from generation.scene.colour import delta_e, from_lab, to_lab
from generation.scene.cutout import on_white
from generation.scene.material import Material
from generation.scene.scene import Scene, put_back
from generation.score.domain import Domain, load_domain, make_domain, save_domain
from generation.score.faces import faces_as_asked, same_face
from generation.score.label import label_agreement
from generation.score.likeness import Unavailable
from generation.score.pixels import exposure, product_similarity, sharpness
from generation.score.scales import scale_of
from generation.studio import Studio
from generation.vision.models import VisionModels
from tests.generation.conftest import picture
from tests.generation.takes import inputs

PICTURES = Path(__file__).parent / "vision" / "pictures"


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
    image = _detailed()
    assert exposure(ImageEnhance.Brightness(image).enhance(factor), image) < 0.7


@pytest.mark.parametrize("light", ["white studio", "night", "day"])
def test_exposure_is_that_of_the_place(light: str) -> None:
    place = {
        "white studio": Image.new("RGB", (128, 128), "white"),
        "night": Image.new("RGB", (128, 128), (3, 3, 8)),
        "day": _detailed(),
    }[light]
    picture = place.copy()
    picture.paste((120, 90, 80), (40, 50, 80, 128))
    assert exposure(picture, place) > 0.9


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
    ("one", "other", "apart"),
    [
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0000),
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((50.0, 2.5, 0.0), (50.0, 0.0, -2.5), 4.3065),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((50.0, 2.5, 0.0), (61.0, -5.0, 29.0), 22.8977),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((63.0109, -31.0961, -5.8663), (62.8187, -29.7946, -4.0864), 1.2630),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_differences_of_colour_are_those_of_the_published_test_data(
    one: tuple[float, ...], other: tuple[float, ...], apart: float
) -> None:
    assert delta_e(np.array([one]), np.array([other]))[0] == pytest.approx(apart, abs=1e-4)
    assert delta_e(np.array([other]), np.array([one]))[0] == pytest.approx(apart, abs=1e-4)


def _labelled(*lines: str) -> Image.Image:
    """A brown bag with words on it, as placed in a picture of 480 pixels."""
    product = Image.new("RGBA", (480, 480))
    draw = ImageDraw.Draw(product)
    draw.rectangle((120, 60, 360, 440), fill=(90, 45, 30, 255))
    for number, line in enumerate(lines):
        draw.text((140, 140 + 70 * number), line, font=ImageFont.load_default(40), fill=(250, 245, 230, 255))
    return product


def _shown(product: Image.Image) -> Image.Image:
    place = picture(4, (8, 8)).resize(product.size, Image.Resampling.BICUBIC)
    place.paste(product, mask=product.getchannel("A"))
    return place


class TestLabel:
    BAG: ClassVar[tuple[str, ...]] = ("ACME", "Dark Roast", "250 g")

    def test_its_own_words_are_read(self) -> None:
        assert label_agreement(_shown(_labelled(*self.BAG)), _labelled(*self.BAG)) > 0.9

    @pytest.mark.parametrize("drawn", ["other words", "letters that are none", "no words"])
    def test_other_words_are_not(self, drawn: str) -> None:
        other = _labelled(*(("NOVA", "Light Tea", "80 ml") if drawn == "other words" else ()))
        if drawn == "letters that are none":  # as a model draws them
            strokes = np.random.default_rng(1)
            for row in range(3):
                for at in strokes.integers(140, 320, 9):
                    ends = strokes.integers(-12, 12, 4)
                    line = (at, 160 + 70 * row, at + ends[0], 160 + 70 * row + ends[1] * 2)
                    ImageDraw.Draw(other).line(line, fill=(250, 245, 230, 255), width=4)
        assert label_agreement(_shown(other), _labelled(*self.BAG)) < 0.6

    def test_without_legible_words_there_is_nothing_to_compare(self) -> None:
        with pytest.raises(Unavailable, match="no words can be read"):
            label_agreement(_shown(_labelled()), _labelled())
        small = _labelled(*self.BAG).resize((40, 40), Image.Resampling.LANCZOS)
        with pytest.raises(Unavailable, match="at the size at which the picture shows it"):
            label_agreement(_shown(small), small)

    def test_what_is_drawn_instead_of_the_label_is_found(self, bundle: Bundle, packshot: Image.Image) -> None:
        take = inputs(_labelled(*self.BAG), 3, width=320, height=320)
        scene = Scene(take, Recipe(), (320, 320))
        true = put_back(Image.new("RGB", scene.size, "grey"), scene)
        assert {"product", "label"} <= set(measured(bundle, take, true).kept)
        blurred = true.filter(ImageFilter.GaussianBlur(6))
        smeared = Image.composite(blurred, true, scene.product.getchannel("A"))
        found = measured(bundle, take, smeared)
        assert found.altered["product"] > 0
        assert found.values["label"] < 0.6


def measured(bundle: Bundle, take: Material, picture: Image.Image, **models: Any) -> Measurements:
    """Of ``picture`` shown as the take's."""
    loaded = Models.of(bundle)
    (made,) = Studio(replace(loaded, scoring=replace(loaded.scoring, **models))).score([replace(take, picture=picture)])
    assert made.measured is not None, made.error
    return made.measured


def test_every_dimension_is_measured_that_can_be(bundle: Bundle, packshot: Image.Image) -> None:
    studio = Studio(Models.of(bundle))
    takes = [inputs(packshot, 0), inputs(packshot, 3)]
    composed = {made.key: made.image for made in studio.compose(takes)}
    person, still = (measured(bundle, take, composed[take.key] or picture(0)) for take in takes)
    for found in (person, still):
        assert set(found.values) == {"sharpness", "exposure", "cutout", "environment"}
        assert all(0 <= value <= 1 for value in found.values.values())
        assert (found.kept, found.altered) == (("product", "label"), {})
        assert found.unavailable["prompt"].startswith("nothing that knows pictures by words")
    assert (
        person.unavailable["identity"] == "no face is found in the portrait, so none can be looked for in the picture"
    )
    assert still.unavailable["identity"] == "the picture shows nobody"


class TestKept:
    """Pixels that the recipe keeps are looked at, not scored for their likeness to themselves."""

    ALL: ClassVar[dict[str, float]] = {"face_keep": 1.0, "environment_keep": 1.0}

    @pytest.fixture
    def take(self, packshot: Image.Image) -> Material:
        return inputs(packshot, 0, changes=self.ALL, width=128, height=128)

    @pytest.fixture
    def whole(self, take: Material) -> Image.Image:
        """What is drawn is grey, what is kept is the originals' own."""
        recipe = Recipe().changed(self.ALL)
        return put_back(Image.new("RGB", (128, 128), (127, 127, 127)), Scene(take, recipe, (128, 128)))

    def test_what_is_whole_is_kept_and_has_no_score(self, bundle: Bundle, take: Material, whole: Image.Image) -> None:
        found = measured(bundle, take, whole)
        assert set(found.kept) == {"product", "label", "environment", "identity", "features"}
        assert not set(found.kept) & set(found.values)

    def test_another_product_is_altered_pixels(
        self, bundle: Bundle, take: Material, whole: Image.Image, packshot: Image.Image
    ) -> None:
        green = Image.merge("RGBA", [packshot.getchannel(band) for band in ("G", "R", "B", "A")])
        recipe = Recipe().changed(self.ALL)
        other = put_back(whole, Scene(replace(take, packshot=green), recipe, whole.size))
        found = measured(bundle, take, other)
        assert found.altered["product"] > 0.3
        assert found.values["product"] < 0.6
        assert "label" not in found.kept
        assert "environment" in found.kept

    def test_a_second_face_in_the_place_is_altered_pixels(
        self, bundle: Bundle, take: Material, whole: Image.Image
    ) -> None:
        whole.paste((200, 150, 130), (100, 4, 118, 24))
        assert 0 < measured(bundle, take, whole).altered["environment"] < 0.1


class TestDomain:
    """What a CLIP of one world says about another is not asked."""

    @pytest.fixture
    def domain(self, bundle: Bundle, packshot: Image.Image) -> Domain:
        clip = Models.of(bundle).scoring.clip
        assert clip is not None
        known = {
            "product": clip.images([on_white(packshot)]),
            "place": clip.images([picture(number) for number in range(4)]),
            "portrait": clip.images([picture(90, (64, 64))]),
        }
        return make_domain(known, known, ["a", "red", "bottle", "number", "on", "beach"], share=0.0)

    def test_its_own_pictures_are_known_and_others_foreign(self, bundle: Bundle, domain: Domain) -> None:
        clip = Models.of(bundle).scoring.clip
        assert clip is not None
        own, other = clip.images([picture(1), picture(77)])
        assert not domain.is_foreign("place", own)
        assert domain.is_foreign("place", other)

    def test_a_foreign_place_has_no_likeness_and_a_foreign_word_no_prompt(
        self, bundle: Bundle, domain: Domain, packshot: Image.Image
    ) -> None:
        take = inputs(packshot, 3)
        assert "environment" in measured(bundle, take, picture(1, (64, 64)), domain=domain).values
        foreign = replace(take, photo=picture(77))
        found = measured(bundle, foreign, picture(1, (64, 64)), domain=domain)
        assert found.unavailable["environment"] == "the bundle's CLIP was trained on pictures unlike this place"
        strange = replace(take, shot=replace(take.shot, prompt="a red samovar, on a beach"))
        found = measured(bundle, strange, picture(1, (64, 64)), domain=domain)
        assert found.unavailable["prompt"] == "'samovar' is in no caption that the bundle's CLIP learnt from"

    def test_it_is_kept_in_files(self, domain: Domain, tmp_path: Path) -> None:
        save_domain(domain, tmp_path)
        again = load_domain(tmp_path)
        assert again.words == domain.words
        assert again.limits == pytest.approx(domain.limits, abs=1e-3)


def test_a_scale_makes_cosines_probabilities(bundle: Bundle) -> None:
    scale = scale_of(np.array([0.8, 0.9]), np.array([0.1, 0.2, 0.0]))
    scoring = replace(Models.of(bundle).scoring, scales={"prompt": scale})
    assert scoring.scaled("prompt", 0.85) > 0.95
    assert scoring.scaled("prompt", 0.1) < 0.05
    assert scoring.scaled("environment", 0.1) == 0.1


@pytest.fixture(scope="module")
def vision() -> VisionModels:
    return VisionModels()


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    return Image.open(PICTURES / "astronaut.png").convert("RGB")


class TestFacesInPhotographs:
    """With a photograph for a portrait and photographs for pictures."""

    SIZE = (384, 384)

    def scene(self, packshot: Image.Image, portrait: Image.Image, number: int = 0) -> Scene:
        return Scene(replace(inputs(packshot, number), portrait=portrait), Recipe(), self.SIZE)

    def shown(self, scene: Scene, portrait: Image.Image, *corners: tuple[int, int]) -> Image.Image:
        """The backdrop with the portrait's head at its place, and again at each corner."""
        picture = scene.backdrop.copy()
        head = portrait.crop(crop_about(portrait))
        box = scene.material.layout.face
        if box is not None:
            left, top, right, bottom = box.pixels(self.SIZE)
            picture.paste(head.resize((right - left, bottom - top)), (left, top))
        for corner in corners:
            picture.paste(head.resize((90, 100)), corner)
        return picture

    def test_one_face_is_as_asked_and_the_portraits(
        self, vision: VisionModels, packshot: Image.Image, portrait: Image.Image
    ) -> None:
        scene = self.scene(packshot, portrait)
        picture = self.shown(scene, portrait)
        assert faces_as_asked(vision, scene, picture) > 0.6
        assert same_face(vision, scene, picture) > 0.6

    def test_none_or_two_are_not(self, vision: VisionModels, packshot: Image.Image, portrait: Image.Image) -> None:
        scene = self.scene(packshot, portrait)
        assert faces_as_asked(vision, scene, scene.backdrop) == 0
        assert same_face(vision, scene, scene.backdrop) == 0
        face = scene.material.layout.face
        assert face is not None
        corner = (4, 4) if face.left > 0.3 else (280, 4)
        assert faces_as_asked(vision, scene, self.shown(scene, portrait, corner)) == 0

    def test_a_picture_of_nobody_has_no_face(
        self, vision: VisionModels, packshot: Image.Image, portrait: Image.Image
    ) -> None:
        still = self.scene(packshot, portrait, 3)
        assert faces_as_asked(vision, still, self.shown(still, portrait)) == 1
        assert faces_as_asked(vision, still, self.shown(still, portrait, (20, 20))) == 0

    def test_a_portrait_without_a_face_says_nothing(self, vision: VisionModels, packshot: Image.Image) -> None:
        scene = self.scene(packshot, picture(5, (200, 200)))
        with pytest.raises(Unavailable, match="no face is found in the portrait"):
            same_face(vision, scene, scene.backdrop)


def crop_about(portrait: Image.Image) -> tuple[int, int, int, int]:
    """The astronaut's head."""
    return tuple(round(share * portrait.width) for share in (0.31, 0.05, 0.59, 0.36))  # type: ignore[return-value]


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
