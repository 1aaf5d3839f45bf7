"""Shards on disk: resumed, extended, refused when begun otherwise, and read back as examples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.world import pool
from training.world.dataset import World, load_pictures
from training.world.render import write_dataset

# The first picture compiles the kernels: half a minute on a free machine, several on a busy one.
pytestmark = pytest.mark.timeout(600)
PLAN = pool.Plan(seed=4, size=16, personas=4, products=5, photos=12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "train"
    write_dataset(path, PLAN, 10)
    return path


def test_examples_hold_the_references_of_their_scene(folder: Path) -> None:
    world = World(folder)
    assert len(world) == 10
    for number in range(len(world)):
        shot = pool.shot(world.plan, number)
        example = world.example(number, np.random.default_rng(number))
        assert example.scene.product == shot.scene.product
        assert np.array_equal(example.packshot, world.packshots.images[shot.product])
        assert (example.portrait is None) == (shot.scene.persona is None)
        assert example.image.shape == (16, 16, 3)
        assert example.ids.shape == (16, 16)


def test_the_stored_numbers_are_those_of_the_plan(folder: Path) -> None:
    columns = World(folder).shots.columns
    assert columns["products"].tolist() == [pool.shot(PLAN, number).product for number in range(10)]


def test_what_is_there_is_not_drawn_again(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.npz")}
    write_dataset(folder, PLAN, 10)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.npz")} == before


def test_more_can_be_asked_for_later(folder: Path) -> None:
    first = World(folder).shots.images[:10].copy()
    write_dataset(folder, PLAN, 12)
    shots = World(folder).shots
    assert len(shots) == 12
    assert np.array_equal(shots.images[:10], first)
    assert len(list((folder / "shots").iterdir())) == 1
    write_dataset(folder, PLAN, 12)


def test_another_plan_in_the_same_folder_is_refused(folder: Path) -> None:
    with pytest.raises(SystemExit, match="another --out"):
        write_dataset(folder, replace(PLAN, seed=5), 10)


def test_an_empty_folder_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"training\.world\.render"):
        load_pictures(tmp_path)
