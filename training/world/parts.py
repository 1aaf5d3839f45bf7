"""Shots together with their parts, each alone, as a collage is made of them: what an inpainting UNet learns from.

``python -m training.world.parts --count 6000 --out training/data``; shards go to ``SPLIT/parts``. What is there is
skipped, and several processes may write at once: each takes every ``count``-th shard.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from training.world import pool
from training.world.kernels import params as p
from training.world.picture import render
from training.world.render import keep_plan
from training.world.scene import Scene, View, scene_params
from training.world.splits import digest_number

FOLDER = "parts"
SHARD = 32
WHOLE, PLATE, PRODUCT, PERSON = range(4)
"""The pictures of a shot, in the order in which a shard holds them."""

_PLACE = slice(p.PLACE, p.PLACE_SEED + 1)
_LIGHT = slice(p.KEY_AZIMUTH, p.AMBIENT_B + 1)


def part_params(plan: pool.Plan, number: int) -> npt.NDArray[np.float64]:
    """Vectors [4, P] of shot ``number``: the whole, its empty place, its product and its person alone.

    The product stands where it stands in the shot, in a packshot's light; so does the person, in the studio's light. A
    still has its empty place once more instead.
    """
    scene = pool.shot(plan, number).scene
    whole = scene_params(scene)
    plate = whole.copy()
    plate[[p.PERSON, p.PLINTH, p.HAND]], plate[p.PRODUCT] = 0, -1
    product = whole.copy()
    product[[p.PERSON, p.PLINTH, p.HAND]], product[p.ISOLATED] = 0, 1
    product[_LIGHT] = scene_params(Scene(View.PACKSHOT, scene.seed, product=scene.product))[_LIGHT]
    person = plate.copy()
    if scene.persona is not None:
        seed = digest_number(f"{plan.seed} portrait of shot {number}") % 2**31
        studio = scene_params(Scene(View.PORTRAIT, seed, scene.persona))
        person[p.PERSON] = 1
        person[_PLACE], person[_LIGHT] = studio[_PLACE], studio[_LIGHT]
    return np.stack([whole, plate, product, person])


def write_parts(folder: Path, plan: pool.Plan, count: int, worker: tuple[int, int] = (0, 1)) -> None:
    """Draw shots 0 to ``count`` into ``folder``/parts: images uint8 [n, 4, S, S, 3] and ids uint8 [n, 4, S, S]."""
    keep_plan(folder, plan)
    (folder / FOLDER).mkdir(exist_ok=True)
    rank, workers = worker
    for first in tqdm(range(rank * SHARD, count, workers * SHARD), unit="shard", mininterval=5.0):
        path = folder / FOLDER / f"{first:07d}.npz"
        if path.exists():
            continue
        vectors = [part_params(plan, number) for number in range(first, first + SHARD)]
        images, ids = render(np.concatenate(vectors), plan.size)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(
                file, images=images.reshape(SHARD, 4, *images.shape[1:]), ids=ids.reshape(SHARD, 4, *ids.shape[1:])
            )
        partial.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, required=True, help="shots; a multiple of 32")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--split", choices=("train", "held-out"), default="train")
    parser.add_argument("--personas", type=int, default=8000, help="of the pool: one for about every shot")
    parser.add_argument("--products", type=int, default=600)
    parser.add_argument("--photos", type=int, default=240)
    parser.add_argument("--size", type=int, default=128, help="edge in pixels")
    parser.add_argument("--worker", default="0/1", help="number/count of this process")
    asked = parser.parse_args()
    os.nice(max(0, 19 - os.nice(0)))
    numba.set_num_threads(1)
    rank, _, workers = asked.worker.partition("/")
    plan = pool.Plan(0, asked.split, asked.size, asked.personas, asked.products, asked.photos)
    write_parts(asked.out / asked.split, plan, asked.count, (int(rank), int(workers)))


if __name__ == "__main__":
    main()
