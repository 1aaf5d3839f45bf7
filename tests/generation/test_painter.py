"""Painting behind its interface: a scene is laid out once per size, and a role that a bundle lacks is off."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from brief.recipe import Recipe
from generation.bundle.card import read_card, write_card
from generation.bundle.load import Bundle, load
from generation.compose import lay_out
from generation.models import Models
from generation.painters.stable_diffusion.painter import StableDiffusion
from generation.scene import material, scene
from generation.studio import Studio
from tests.generation.conftest import picture
from tests.generation.takes import inputs

_PARTS = {
    "place": scene,
    "placed_person": scene,
    "relight": scene,
    "regions": scene,
    "fit": scene,
    "cut_out": material,
}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each part of a scene was made."""
    counted: Counter[str] = Counter()

    def counting(name: str, make: Callable[..., Any]) -> Callable[..., Any]:
        def counted_make(*args: Any, **options: Any) -> Any:
            counted[name] += 1
            return make(*args, **options)

        return counted_make

    for name, module in _PARTS.items():
        monkeypatch.setattr(module, name, counting(name, getattr(module, name)))
    return counted


@pytest.mark.parametrize("stage", ["compose", "refine", "score"])
def test_a_stage_makes_each_part_of_a_scene_once(
    bundle: Bundle, packshot: Image.Image, calls: Counter[str], stage: str
) -> None:
    studio = Studio(Models.of(bundle))
    take = replace(
        inputs(packshot, 0, changes={"face_keep": 1.0, "environment_keep": 1.0}), picture=picture(5, (64, 64))
    )
    (made,) = getattr(studio, stage)([take])
    assert made.error is None
    assert calls == dict.fromkeys(_PARTS, 1)


def test_refinement_to_another_size_makes_each_part_once_per_size(
    bundle: Bundle, packshot: Image.Image, calls: Counter[str]
) -> None:
    take = inputs(packshot, 0, changes={"face_keep": 0.35}, width=96, height=96)
    (made,) = Studio(Models.of(bundle)).refine([replace(take, picture=picture(5, (64, 64)))])
    assert made.image is not None and made.image.size == (96, 96)
    assert calls["cut_out"] == 1
    assert calls["place"] == calls["regions"] == 2


def test_a_packshot_file_is_cut_out_once_for_all_its_shots(
    bundle: Bundle, packshot: Image.Image, calls: Counter[str], tmp_path: Path
) -> None:
    packshot.save(tmp_path / "packshot.png")
    data = (tmp_path / "packshot.png").read_bytes()
    takes = [replace(inputs(packshot, 0, seed=seed), packshot=data) for seed in range(3)]
    assert [made.error for made in Studio(Models.of(bundle)).compose(takes)] == [None] * 3
    assert calls["cut_out"] == 1


def _with_roles(miniature: Path, folder: Path, adapters: dict[str, str]) -> Bundle:
    shutil.copytree(miniature, folder)
    write_card(folder, replace(read_card(miniature), adapters=adapters))
    return load(folder, "cpu")


def test_a_role_that_a_bundle_lacks_is_off(
    miniature: Path, bundle: Bundle, packshot: Image.Image, tmp_path: Path
) -> None:
    """Without its adapter a role is drawn as with the adapter at strength 0."""
    adapters = {"environment": "ip_adapter/environment.safetensors", "product": "ip_adapter/product.safetensors"}
    without = _with_roles(miniature, tmp_path / "two", adapters)
    assert without.roles == ("product", "environment")
    (alone,) = Studio(Models.of(without)).compose([inputs(packshot, 0)])
    (silent,) = Studio(Models.of(bundle)).compose([inputs(packshot, 0, changes={"face_strength": 0.0})])
    (full,) = Studio(Models.of(bundle)).compose([inputs(packshot, 0)])
    pixels = [np.asarray(made.image, dtype=int) for made in (alone, silent, full)]
    assert np.abs(pixels[0] - pixels[1]).max() <= 1
    assert np.abs(pixels[0] - pixels[2]).max() > 2


def test_a_bundle_without_adapters_draws_by_words_and_places(
    miniature: Path, packshot: Image.Image, tmp_path: Path
) -> None:
    plain = _with_roles(miniature, tmp_path / "none", {})
    (made,) = Studio(Models.of(plain)).compose([inputs(packshot, 0)])
    assert made.error is None and made.image is not None


def test_a_role_of_a_later_version_is_left_alone(miniature: Path, packshot: Image.Image, tmp_path: Path) -> None:
    adapters = {**read_card(miniature).adapters, "pose": "ip_adapter/face.safetensors"}
    newer = _with_roles(miniature, tmp_path / "newer", adapters)
    assert newer.roles == ("face", "product", "environment")
    (made,) = Studio(Models.of(newer)).compose([inputs(packshot, 0)])
    assert made.error is None


def test_a_scene_shows_each_role_its_own_picture(bundle: Bundle, packshot: Image.Image) -> None:
    person, still = (lay_out(StableDiffusion.of(bundle), inputs(packshot, number)) for number in (0, 3))
    assert set(person.references) == {"face", "product", "environment"}
    assert set(still.references) == {"product", "environment"}


def test_strengths_and_keeps_are_told_by_role() -> None:
    recipe = Recipe(face_strength=0.1, product_keep=0.9, free_keep=0.2)
    assert recipe.strengths == {"face": 0.1, "product": 0.7, "environment": 0.6, "style": 0.5}
    assert recipe.keeps == {"face": 0.0, "product": 0.9, "environment": 0.4, "free": 0.2}
