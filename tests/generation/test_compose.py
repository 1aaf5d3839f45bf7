"""Composition: the product's true pixels in place, the place recognisable, one bad row alone in failing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from brief.types import Framing
from generation.bundle.card import BundleError, hash_files, read_card, write_card
from generation.bundle.load import Bundle, load
from generation.compose import lay_out
from generation.explain import explain_take, mass_inside
from generation.models import Models
from generation.painters.stable_diffusion.attribution import attribute
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


def test_the_side_belongs_to_the_shot(packshot: Image.Image) -> None:
    for seed in range(6):
        first, second = (
            inputs(packshot, 0, attempt=attempt, seed=seed, framing=Framing.PLINTH).layout for attempt in (1, 2)
        )
        assert first != second
        assert (first.product.left > 0.5) == (second.product.left > 0.5)


RETAKES_DIFFER_BY = 5.0
"""Mean difference of two takes of one shot, in levels of 255, outside the product of either."""


@pytest.mark.parametrize("framing", Framing)
def test_a_retake_differs_even_where_everything_is_pasted(
    bundle: Bundle, packshot: Image.Image, framing: Framing
) -> None:
    kept = {"product_keep": 1.0, "environment_keep": 1.0, "face_keep": 1.0, "free_keep": 1.0}
    takes = [inputs(packshot, 0, attempt, kept, framing=framing, persona=ADA) for attempt in (1, 2, 3)]
    takes = [replace(take, photo=_detailed_place()) for take in takes]
    made = {result.key: result.image for result in Studio(Models.of(bundle)).compose(takes)}
    for one, other in ((0, 1), (0, 2), (1, 2)):
        first, second = made[takes[one].key], made[takes[other].key]
        assert first is not None and second is not None
        products = [lay_out(StableDiffusion.of(bundle), takes[number]).product for number in (one, other)]
        outside = np.all([np.asarray(product.getchannel("A")) == 0 for product in products], axis=0)
        assert np.abs(_pixels(first) - _pixels(second))[outside].mean() > RETAKES_DIFFER_BY


def _detailed_place() -> Image.Image:
    """As busy as a photograph."""
    return picture(3, (16, 16)).resize((160, 160), Image.Resampling.BICUBIC)


def test_pictures_of_several_groups_come_in_their_order(bundle: Bundle, packshot: Image.Image) -> None:
    painter = StableDiffusion.of(bundle)
    steps = (4, 6, 4)
    asked = [inputs(packshot, number, changes={"steps": count}) for number, count in enumerate(steps)]
    scenes = [lay_out(painter, take) for take in asked]
    together = painter.compose(scenes)
    for scene, drawn in zip(scenes, together, strict=True):
        (alone,) = painter.compose([scene])
        assert np.abs(_pixels(drawn) - _pixels(alone)).max() <= 2


@pytest.fixture(scope="module")
def styled(miniature: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The stand-in with an adapter for a campaign's style, which is the place's."""
    folder = tmp_path_factory.mktemp("styled") / "bundle"
    shutil.copytree(miniature, folder)
    card = read_card(folder)
    file = "ip_adapter/style.safetensors"
    shutil.copy(folder / card.adapters["environment"], folder / file)
    write_card(folder, replace(card, adapters={**card.adapters, "style": file}, sha256=hash_files(folder)))
    return load(folder, "cpu")


def test_a_campaigns_style_changes_the_whole_picture_where_the_bundle_has_an_adapter_for_it(
    bundle: Bundle, styled: Bundle, packshot: Image.Image
) -> None:
    plain = inputs(packshot, 0, changes={"environment_keep": 0.0, "style_strength": 1.5})
    takes = [
        plain,
        *(replace(plain, take=replace(plain.take, key=f"{n}"), references={"style": picture(n)}) for n in (60, 61)),
    ]
    for models, differ in ((bundle, False), (styled, True)):
        made = {result.key: result.image for result in Studio(Models.of(models)).compose(takes)}
        none, first, second = (_pixels(image) for take in takes if (image := made[take.key]) is not None)
        corner = np.s_[:8, :8]
        for one, other in ((none, first), (first, second)):
            assert (np.abs(one - other).max() > 2) == differ
            assert (np.abs(one - other)[corner].max() > 0) == differ


def test_without_a_style_its_adapter_acts_nowhere(styled: Bundle, packshot: Image.Image) -> None:
    plain = inputs(packshot, 0)
    for take, strength in ((plain, 0.0), (replace(plain, references={"style": picture(60)}), 0.5)):
        (sample,) = StableDiffusion.of(styled).samples([lay_out(StableDiffusion.of(styled), take)])
        assert torch.equal(sample.masks["style"], torch.full_like(sample.masks["style"], strength))


def test_an_adapter_acts_only_in_the_blocks_that_the_card_names(miniature: Path, tmp_path: Path) -> None:
    shutil.copytree(miniature, tmp_path / "bundle")
    card = read_card(tmp_path / "bundle")
    everywhere = load(miniature, "cpu")
    names = sorted(name for name, each in everywhere.unet.attn_processors.items() if hasattr(each, "to_k_ip"))
    block = names[0].split(".transformer_blocks")[0]
    write_card(tmp_path / "bundle", replace(card, blocks={"environment": [block]}))
    limited = load(tmp_path / "bundle", "cpu")
    assert limited.card.fingerprint != everywhere.card.fingerprint
    role = limited.roles.index("environment")
    for name in names:
        scale = limited.unet.attn_processors[name].scale
        assert [value for number, value in enumerate(scale) if number != role] == [1.0] * (len(scale) - 1)
        assert scale[role] == (1.0 if name.startswith(f"{block}.") else 0.0)
    write_card(tmp_path / "bundle", replace(card, blocks={"environment": ["up_blocks.9"]}))
    with pytest.raises(BundleError, match=f"'up_blocks.9', in which its UNet has no adapter; there are .*{block}"):
        load(tmp_path / "bundle", "cpu")


def test_heat_maps_say_where_each_adapter_acts_and_change_no_pixel(bundle: Bundle, packshot: Image.Image) -> None:
    painter = StableDiffusion.of(bundle)
    takes = [inputs(packshot, 0), inputs(packshot, 0, attempt=2, changes={"face_strength": 0.0})]
    scenes = [lay_out(painter, take) for take in takes]
    samples = painter.samples(scenes)
    pictures, maps = attribute(bundle, samples)
    for drawn, plain in zip(pictures, painter.draw(samples), strict=True):
        assert np.array_equal(_pixels(drawn), _pixels(plain))
    for scene, shares in zip(scenes, maps, strict=True):
        assert set(shares) == set(bundle.roles)
        assert 0 <= float(torch.stack(list(shares.values())).sum(0).max()) <= 1 + 1e-5
        for role in ("product", "environment"):
            region = scene.regions.by_role[role]
            assert mass_inside(shares[role], region) > float(region.mean())
    assert float(maps[0]["face"].max()) > 0.01
    assert float(maps[1]["face"].max()) < 1e-5
    explained = explain_take(painter, takes[0])
    assert explained.image is not None and explained.measured is not None
    assert explained.image.width == 4 * bundle.card.width
    least = min(mass_inside(share, scenes[0].regions.by_role[role]) for role, share in maps[0].items())
    assert explained.measured.values["attention"] == pytest.approx(least, abs=1e-3)
