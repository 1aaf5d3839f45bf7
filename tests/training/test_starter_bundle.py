"""The bundle that ships, on a small sample of held-out people, products and places: stock diffusers loads it, and what
its card promises can be seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image, ImageFilter

from brief.recipe import take
from generation.bundle.card import ROLES
from generation.bundle.load import load
from generation.compose import lay_out
from generation.models import Models
from generation.scene.scene import Scene
from training.evaluate import measures
from training.evaluate.cast import Cast, draw_cast, plan_shots, true_shots
from training.evaluate.draw import draw_all_portraits, draw_shots, scenes_of

BUNDLE = Path(__file__).parents[2] / "bundles" / "starter"
PEOPLE, PRODUCTS, SHOTS = 6, 12, 24


@pytest.fixture(scope="module")
def models() -> Models:
    return Models.of(load(BUNDLE, "cpu"))


@pytest.fixture(scope="module")
def cast(models: Models) -> Cast:
    return draw_cast(PEOPLE, PRODUCTS, seed=11, size=models.painter.card.width)


@pytest.fixture(scope="module")
def portraits(models: Models, cast: Cast) -> Mapping[str, Image.Image]:
    return draw_all_portraits(models, cast.personas)


def test_stock_diffusers_loads_it_and_its_adapters_act(cast: Cast) -> None:
    """Its UNet completes collages, and diffusers has no pipeline for 48 channels: the parts are called one by one."""
    pipe = StableDiffusionPipeline.from_pretrained(BUNDLE, dtype=torch.float32)
    files = [f"{role}.safetensors" for role in ROLES]
    pipe.load_ip_adapter(BUNDLE, subfolder="ip_adapter", weight_name=files, image_encoder_folder="./image_encoder")
    shown = [next(iter(cast.rendered.values())), *list(cast.images.values())[:2]]
    embeds = pipe.prepare_ip_adapter_image_embeds(shown, None, "cpu", 1, False)
    words, _ = pipe.encode_prompt("a red mug", "cpu", 1, False)
    noise = torch.randn(1, pipe.unet.config.in_channels, 32, 32, generator=torch.Generator().manual_seed(0))
    drawn = []
    for scale in (0.0, 1.0):
        pipe.set_ip_adapter_scale([scale] * len(ROLES))
        told = {"added_cond_kwargs": {"image_embeds": embeds}, "encoder_hidden_states": words}
        with torch.no_grad():
            drawn.append(pipe.vae.decode(pipe.unet(noise, 999, **told).sample)[0])
    assert drawn[0].shape == (1, 3, 128, 128)
    assert float((drawn[0] - drawn[1]).abs().max()) > 0.05


def test_faces_show_what_was_chosen(models: Models, cast: Cast, portraits: Mapping[str, Image.Image]) -> None:
    assert models.scoring.face_reader is not None
    found = measures.measure_features(models.scoring.face_reader, cast.personas, portraits, cast.rendered)
    assert found.ratio >= 0.8
    # Features asked of the wrong people are found less often: the reader does not say yes to everybody.
    names = list(cast.personas)
    others = dict(zip(names, [portraits[name] for name in [*names[1:], names[0]]], strict=True))
    wrong = measures.measure_features(models.scoring.face_reader, cast.personas, others, cast.rendered)
    assert wrong.generated < found.generated - 0.1


@pytest.fixture(scope="module")
def scenes(models: Models, cast: Cast, portraits: dict[str, Image.Image]) -> list[Scene]:
    return scenes_of(models, plan_shots(cast, models.painter.card.info, SHOTS, seed=11), cast, portraits)


@pytest.fixture(scope="module")
def pictures(models: Models, scenes: list[Scene]) -> list[Image.Image]:
    return draw_shots(models, scenes, paste=True, label="shots")


def test_shots_keep_person_product_and_place(
    models: Models, cast: Cast, scenes: list[Scene], pictures: list[Image.Image]
) -> None:
    assert models.scoring.face_reader is not None
    assert measures.identity_auc(models.scoring.face_reader, scenes, pictures) >= 0.85
    assert measures.product_retrieval(models, scenes, pictures, cast) >= 0.9
    assert measures.place_accuracy(models, scenes, pictures, cast) >= 0.9


def test_product_and_place_keep_their_pixels_and_the_person_is_drawn(
    scenes: list[Scene], pictures: list[Image.Image]
) -> None:
    for scene, picture in zip(scenes, pictures, strict=True):
        changed = np.abs(np.asarray(picture, int) - np.asarray(scene.collage, int)).max(2)
        product = np.asarray(scene.product.getchannel("A")) == 255
        assert changed[np.asarray(Image.fromarray(product).filter(ImageFilter.MinFilter(5)))].max() == 0
        beside = (scene.drawn.numpy() == 0) & (np.asarray(scene.product.getchannel("A")) == 0)
        assert changed[beside].max() == 0
        figure = scene.figure
        assert figure is not None
        assert (changed[np.asarray(figure.getchannel("A")) == 255] > 0).mean() > 0.9


def test_a_person_is_more_like_the_rendering_than_a_pasted_one(
    models: Models, cast: Cast, scenes: list[Scene], pictures: list[Image.Image]
) -> None:
    true = true_shots(cast, [scene.material.shot for scene in scenes])
    drawn = measures.measure_people(models, scenes, pictures, true)
    pasted = measures.measure_people(models, scenes, [scene.collage for scene in scenes], true)
    assert drawn["likeness"] > pasted["likeness"]
    assert drawn["frechet"] < pasted["frechet"]
    assert 0.5 < drawn["seam"] < 1.3


def test_another_take_is_another_picture(models: Models, scenes: list[Scene], pictures: list[Image.Image]) -> None:
    shot = scenes[0].material.shot
    again = lay_out(models.painter, replace(scenes[0].material, take=take(shot.key, shot.seed, 2)))
    (picture,) = draw_shots(models, [again], paste=True, label="again")
    assert np.abs(np.asarray(picture, int) - np.asarray(pictures[0], int)).mean() > 5
