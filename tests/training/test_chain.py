"""Every stage of training at the smallest size, from pictures to a bundle that stock diffusers and Lookbook load."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from generation.bundle.card import ROLES
from generation.bundle.load import load
from generation.models import Models
from training import casting
from training.__main__ import main
from training.world import pool, render
from training.world.scene import Scene

STAGES = ("autoencoder", "reader", "sketch", "words", "text2image", "clip", "adapters", "export")


def _drawn(scenes: list[Scene], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise in place of renderings, so that the chain needs no compiler: what is tested is the way, not the picture."""
    rng = np.random.default_rng(len(scenes))
    shape = (len(scenes), size, size)
    return rng.integers(0, 256, (*shape, 3), np.uint8), rng.integers(0, 16, shape, np.uint8)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("training")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(render, "render_scenes", _drawn)
        for split in ("train", "held-out"):
            plan = pool.Plan(split=split, personas=2, products=2, photos=12)
            render.write_dataset(folder / "data" / split, plan, 4)
            casting.write_castings(folder / "data" / split, plan, 4)
        places = ["--data", f"{folder}/data", "--runs", f"{folder}/runs", "--bundle", f"{folder}/bundle"]
        for stage in STAGES:
            main([stage, "--minutes", "0.005", "--tiny", "--threads", "1", *places])
        yield folder / "bundle"


def test_every_stage_left_a_checkpoint_and_a_curve(bundle: Path) -> None:
    for stage in STAGES[:-1]:
        assert (bundle.parent / "runs" / stage / "checkpoint.safetensors").stat().st_size > 1000


def test_lookbook_loads_it_with_its_scorers(bundle: Path) -> None:
    models = Models.of(load(bundle, "cpu"))
    assert models.scoring.face_reader is not None
    assert set(models.scoring.face_reader.config.accuracy) == set(models.scoring.face_reader.config.fields)
    assert models.scoring.clip is not None and models.scoring.clip.words(["a mug"]) is not None
    assert models.painter.card.stand_in is False


def test_stock_diffusers_loads_and_runs_it(bundle: Path) -> None:
    options = {"safety_checker": None, "local_files_only": True, "dtype": torch.float32}
    pipe = StableDiffusionPipeline.from_pretrained(bundle, **options)
    pipe.set_progress_bar_config(disable=True)
    pipe.load_ip_adapter(
        str(bundle),
        subfolder="ip_adapter",
        weight_name=[f"{role}.safetensors" for role in ROLES],
        image_encoder_folder="./image_encoder",
        local_files_only=True,
    )
    pipe.set_ip_adapter_scale([1.0] * len(ROLES))
    shown = [Image.new("RGB", (40, 60), colour) for colour in ("red", "green", "blue")]
    drawn = pipe("a person", num_inference_steps=2, ip_adapter_image=shown, output_type="np").images
    assert drawn.shape == (1, 128, 128, 3)
    assert np.isfinite(drawn).all()


def test_training_goes_on_from_the_bundle_alone(bundle: Path, tmp_path: Path) -> None:
    shipped = load_file(bundle / "scorers" / "face_reader" / "model.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        places = ["--data", f"{bundle.parent}/data", "--runs", str(tmp_path), "--bundle", str(bundle)]
        main(["reader", "--minutes", "0", "--tiny", "--threads", "1", *places])
    with safe_open(tmp_path / "reader" / "checkpoint.safetensors", framework="pt") as begun:
        for name, weight in shipped.items():
            torch.testing.assert_close(begun.get_tensor(f"mean.reader.{name}"), weight.float())


def test_nothing_tells_where_it_was_made(bundle: Path) -> None:
    for file in bundle.glob("*/config.json"):
        assert str(bundle.parent) not in file.read_text(encoding="utf-8")
        assert "_name_or_path" not in file.read_text(encoding="utf-8")
