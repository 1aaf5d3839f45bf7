"""Composition: the product's true pixels in place, the place recognisable, one bad row alone in failing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from brief.types import Framing
from generation.bundle.load import Bundle
from generation.compose import lay_out
from generation.models import Models
from generation.painters.stable_diffusion.painter import StableDiffusion
from generation.studio import Studio
from tests.generation.conftest import picture
from tests.generation.takes import ADA, inputs, seeing


def _pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"), dtype=np.float32)


@pytest.mark.parametrize("number", range(4))
def test_the_products_own_pixels_are_in_place(bundle: Bundle, packshot: Image.Image, number: int) -> None:
    asked = inputs(packshot, number)
    (made,) = Studio(Models.of(bundle)).compose([asked])
    assert made.image is not None
    product = lay_out(StableDiffusion.of(bundle), asked).product
    inside = np.asarray(product.getchannel("A")) == 255
    inside[1:-1, 1:-1] &= inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    core = inside & np.roll(inside, 2, 0) & np.roll(inside, -2, 0) & np.roll(inside, 2, 1) & np.roll(inside, -2, 1)
    assert core.sum() > 20
    assert np.abs(_pixels(made.image)[core] - _pixels(product)[core]).max() <= 2


def test_the_place_is_kept_as_long_as_the_recipe_says(bundle: Bundle, packshot: Image.Image) -> None:
    studio = Studio(Models.of(seeing(bundle)))
    distances = []
    for share in (0.0, 0.75, 1.0):
        asked = inputs(packshot, 3, changes={"environment_keep": share})
        (made,) = studio.compose([asked])
        assert made.image is not None
        scene = lay_out(StableDiffusion.of(bundle), asked)
        place = scene.regions.kept_place.numpy() > 0.99
        distances.append(np.abs(_pixels(made.image) - _pixels(scene.collage))[place].mean())
    assert distances[0] > distances[1] > distances[2]
    assert distances[2] < distances[0] / 3, distances


def test_a_place_that_is_kept_to_the_end_has_its_photos_own_pixels(bundle: Bundle, packshot: Image.Image) -> None:
    asked = inputs(packshot, 0, changes={"environment_keep": 1.0, "face_keep": 0.5})
    (made,) = Studio(Models.of(bundle)).compose([asked])
    assert made.image is not None
    scene = lay_out(StableDiffusion.of(bundle), asked)
    figure = scene.figure
    assert figure is not None
    near = figure.getchannel("A").filter(ImageFilter.MaxFilter(9))
    place = (scene.regions.kept_place.numpy() == 1) & (np.asarray(near) == 0)
    assert place.sum() > 100
    assert np.array_equal(_pixels(made.image)[place], _pixels(scene.backdrop)[place])


def test_a_face_that_is_kept_to_the_end_has_its_portraits_own_pixels(bundle: Bundle, packshot: Image.Image) -> None:
    asked = inputs(packshot, 0, changes={"face_keep": 1.0})
    (made,) = Studio(Models.of(bundle)).compose([asked])
    assert made.image is not None
    scene = lay_out(StableDiffusion.of(bundle), asked)
    figure = scene.figure
    assert figure is not None
    face = (scene.regions.face.numpy() == 1) & (np.asarray(figure.getchannel("A")) == 255)
    assert face.sum() > 50
    assert np.array_equal(_pixels(made.image)[face], _pixels(figure)[face])


def test_each_input_changes_its_own_picture_and_no_other(bundle: Bundle, packshot: Image.Image) -> None:
    studio = Studio(Models.of(bundle))
    takes = [inputs(packshot, number) for number in range(3)]
    changed = [takes[0], replace(takes[1], portrait=picture(91, (64, 64))), takes[2]]
    first, second = (
        {made.key: _pixels(made.image) for made in studio.compose(batch) if made.image} for batch in (takes, changed)
    )
    differs = [np.abs(first[each.key] - second[each.key]).max() > 2 for each in takes]
    assert differs == [False, True, False]


def test_the_words_of_a_take_change_its_picture(bundle: Bundle, packshot: Image.Image) -> None:
    plain = inputs(packshot)
    warm = replace(plain, take=replace(plain.take, key="warm", words="in warm evening light"))
    studio = Studio(Models.of(bundle))
    first, second = (_pixels(made.image) for made in studio.compose([plain, warm]) if made.image)
    assert np.abs(first - second).max() > 2


def test_an_unreadable_packshot_fails_alone(bundle: Bundle, packshot: Image.Image) -> None:
    takes = [inputs(packshot, 0), replace(inputs(packshot, 1), packshot=b"not an image"), inputs(packshot, 2)]
    made = {result.key: result for result in Studio(Models.of(bundle)).compose(takes)}
    failed = made[takes[1].key]
    assert failed.image is None
    assert "packshot of 'SKU-1'" in (failed.error or "")
    assert all(made[take.key].image is not None for take in (takes[0], takes[2]))


def test_a_missing_portrait_is_named(bundle: Bundle, packshot: Image.Image) -> None:
    (made,) = Studio(Models.of(bundle)).compose([replace(inputs(packshot, 0), portrait=None)])
    assert made.error == "portrait of 'ada' is missing"


def test_a_batch_that_fails_is_tried_one_by_one(
    bundle: Bundle, packshot: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = bundle.unet.forward

    def narrow(sample: torch.Tensor, *args: object, **kwargs: object) -> object:
        if sample.shape[0] > 2:
            raise torch.OutOfMemoryError("out of memory")
        return forward(sample, *args, **kwargs)

    monkeypatch.setattr(bundle.unet, "forward", narrow)
    made = list(Studio(Models.of(bundle)).compose([inputs(packshot, number) for number in range(3)]))
    assert [result.error for result in made] == [None] * 3


@pytest.mark.parametrize("size", [(64, 64), (96, 64), (48, 64), (200, 304)])
def test_any_size_is_drawn_near_the_models_own_area(
    bundle: Bundle, packshot: Image.Image, size: tuple[int, int]
) -> None:
    asked = inputs(packshot, 3, width=size[0], height=size[1])
    scene = lay_out(StableDiffusion.of(bundle), asked)
    width, height = scene.size
    assert width % 64 == height % 64 == 0
    assert 64 * 64 <= width * height <= 2 * 64 * 64


def test_portraits_follow_their_seed(bundle: Bundle) -> None:
    studio = Studio(Models.of(bundle))
    one = {made.key: made.image for made in studio.faces({"a": ADA, "b": replace(ADA, seed=4)})}
    again = {made.key: made.image for made in studio.faces({"a": ADA})}
    assert one["a"] is not None and one["b"] is not None and again["a"] is not None
    assert np.abs(_pixels(one["a"]) - _pixels(again["a"])).max() <= 1
    assert np.abs(_pixels(one["a"]) - _pixels(one["b"])).max() > 10


def test_encodings_are_made_once_for_a_whole_shard(bundle: Bundle, packshot: Image.Image) -> None:
    studio = Studio(Models.of(bundle))
    forwards = bundle.counts.image_forwards
    takes = [replace(inputs(packshot, 0, seed=seed), photo=picture(1)) for seed in range(6)]
    assert all(made.error is None for made in studio.compose(takes))
    assert bundle.counts.image_forwards - forwards == 2  # the three images, and "no image"
    assert bundle.counts.loads == 1


def test_the_side_belongs_to_the_shot(bundle: Bundle, packshot: Image.Image) -> None:
    for seed in range(6):
        first, second = (inputs(packshot, 0, attempt=attempt, seed=seed, framing=Framing.PLINTH) for attempt in (1, 2))
        assert first.layout == second.layout


def test_pictures_of_several_groups_come_in_their_order(bundle: Bundle, packshot: Image.Image) -> None:
    painter = StableDiffusion.of(bundle)
    steps = (4, 6, 4)
    asked = [inputs(packshot, number, changes={"steps": count}) for number, count in enumerate(steps)]
    scenes = [lay_out(painter, take) for take in asked]
    together = painter.compose(scenes)
    for scene, drawn in zip(scenes, together, strict=True):
        (alone,) = painter.compose([scene])
        assert np.abs(_pixels(drawn) - _pixels(alone)).max() <= 2
