"""The bundle that ships, on a small sample of held-out people, products and places: stock diffusers loads it, and what
its card promises can be seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from generation.bundle.card import ROLES
from generation.bundle.load import load
from generation.models import Models
from training.evaluate import measures
from training.evaluate.cast import Cast, draw_cast, plan_shots
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


def test_stock_diffusers_draws_with_its_adapters(cast: Cast) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(BUNDLE, dtype=torch.float32)
    files = [f"{role}.safetensors" for role in ROLES]
    pipe.load_ip_adapter(BUNDLE, subfolder="ip_adapter", weight_name=files, image_encoder_folder="./image_encoder")
    pipe.set_progress_bar_config(disable=True)
    shown = [next(iter(cast.rendered.values())), *list(cast.images.values())[:2]]
    drawn = []
    for scale in (0.0, 1.0):
        pipe.set_ip_adapter_scale([scale] * len(ROLES))
        noise = torch.Generator().manual_seed(0)
        drawn.append(pipe("", ip_adapter_image=shown, num_inference_steps=2, generator=noise).images[0])
    assert drawn[0].size == (128, 128)
    assert drawn[0].tobytes() != drawn[1].tobytes()


def test_faces_show_what_was_chosen(models: Models, cast: Cast, portraits: Mapping[str, Image.Image]) -> None:
    assert models.scoring.face_reader is not None
    found = measures.measure_features(models.scoring.face_reader, cast.personas, portraits, cast.rendered)
    assert found.ratio >= 0.8
    # Features asked of the wrong people are found less often: the reader does not say yes to everybody.
    names = list(cast.personas)
    others = dict(zip(names, [portraits[name] for name in [*names[1:], names[0]]], strict=True))
    wrong = measures.measure_features(models.scoring.face_reader, cast.personas, others, cast.rendered)
    assert wrong.generated < found.generated - 0.1


def test_shots_keep_person_product_and_place(models: Models, cast: Cast, portraits: dict[str, Image.Image]) -> None:
    card = models.painter.card
    shots = plan_shots(cast, card.info, SHOTS, seed=11)
    scenes = scenes_of(models, shots, cast, portraits)
    pictures = draw_shots(models, scenes, paste=True, label="shots")
    assert models.scoring.face_reader is not None
    assert measures.identity_auc(models.scoring.face_reader, scenes, pictures) >= 0.85
    assert measures.product_retrieval(models, scenes, pictures, cast) >= 0.9
    assert measures.place_accuracy(models, scenes, pictures, cast) >= 0.9
