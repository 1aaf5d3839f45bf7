"""Write a dataset: ``python -m training.world.render --count 20000 --size 128 --out training/data --seed 0``.

Shards of 256 pictures as .npz (see :mod:`training.world.dataset` for what is inside). What is there already is skipped,
so that an interrupted run goes on and ``--count`` can be raised later.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numba
import numpy as np
from tqdm import tqdm

from training.world import pool
from training.world.picture import render_scenes
from training.world.scene import Scene

SHARD = 256
BATCH = 32
PLAN_FILE = "plan.json"
FOLDERS = ("portraits", "packshots", "photos", "shots")

Columns = dict[str, list[int]]


def keep_plan(folder: Path, plan: pool.Plan) -> None:
    """Record the plan of a dataset's folder.

    Raises:
        SystemExit: the folder was begun with another plan; says which and what to do.
    """
    path = folder / PLAN_FILE
    wanted = asdict(plan)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(wanted, indent=1) + "\n")
    elif (found := json.loads(path.read_text())) != wanted:
        raise SystemExit(f"{path} was begun with {found}, not {wanted}: use the same numbers or another --out")


def _write(path: Path, scenes: Sequence[Scene], columns: Columns, size: int, bar: tqdm[None]) -> None:
    images, ids = [], []
    for start in range(0, len(scenes), BATCH):
        drawn, parts = render_scenes(scenes[start : start + BATCH], size)
        images.append(drawn)
        ids.append(parts)
        bar.update(len(drawn))
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, images=np.concatenate(images), ids=np.concatenate(ids), **columns)  # type: ignore[arg-type]
    partial.replace(path)


def write_shards(
    folder: Path, count: int, size: int, bar: tqdm[None], scenes_of: Callable[[range], tuple[list[Scene], Columns]]
) -> None:
    """Write numbers 0 to ``count`` as shards named after their first number; a last, shorter one is drawn again when
    ``count`` has grown."""
    folder.mkdir(parents=True, exist_ok=True)
    for first in range(0, count, SHARD):
        numbers = range(first, min(first + SHARD, count))
        path = folder / f"{first:07d}-{numbers.stop:07d}.npz"
        if path.exists():
            bar.update(len(numbers))
            continue
        scenes, columns = scenes_of(numbers)
        _write(path, scenes, columns, size, bar)
        for shorter in folder.glob(f"{first:07d}-*.npz"):
            if shorter != path:
                shorter.unlink()


def _plain(draw: Callable[[pool.Plan, int], Scene], plan: pool.Plan) -> Callable[[range], tuple[list[Scene], Columns]]:
    return lambda numbers: ([draw(plan, number) for number in numbers], {})


def _shots(plan: pool.Plan) -> Callable[[range], tuple[list[Scene], Columns]]:
    def scenes_of(numbers: range) -> tuple[list[Scene], Columns]:
        shots = [pool.shot(plan, number) for number in numbers]
        columns = {
            "personas": [shot.persona for shot in shots],
            "products": [shot.product for shot in shots],
            "photos": [shot.photo for shot in shots],
        }
        return [shot.scene for shot in shots], columns

    return scenes_of


def write_dataset(folder: Path, plan: pool.Plan, count: int) -> None:
    """Draw the pools and ``count`` composed scenes of a plan into a folder, with a progress bar."""
    keep_plan(folder, plan)
    portraits = plan.personas * pool.PORTRAITS_PER_PERSONA
    total = portraits + plan.products + plan.photos + count
    with tqdm(total=total, unit="picture", smoothing=0.05) as bar:
        write_shards(folder / "portraits", portraits, plan.size, bar, _plain(pool.portrait, plan))
        write_shards(folder / "packshots", plan.products, plan.size, bar, _plain(pool.packshot, plan))
        write_shards(folder / "photos", plan.photos, plan.size, bar, _plain(pool.photo, plan))
        write_shards(folder / "shots", count, plan.size, bar, _shots(plan))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, required=True, help="composed scenes")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=128, help="edge in pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", choices=("train", "held-out"), default="train")
    parser.add_argument("--personas", type=int, help="default: a tenth of --count")
    parser.add_argument("--products", type=int, help="default: a tenth of --count")
    parser.add_argument("--photos", type=int, default=240)
    parser.add_argument("--threads", type=int, default=min(2, numba.get_num_threads()))
    asked = parser.parse_args()
    os.nice(10)
    numba.set_num_threads(asked.threads)
    tenth = max(asked.count // 10, 1)
    plan = pool.Plan(seed=asked.seed, split=asked.split, size=asked.size, photos=asked.photos)
    plan = replace(plan, personas=asked.personas or tenth, products=asked.products or tenth)
    write_dataset(asked.out / asked.split, plan, asked.count)


if __name__ == "__main__":
    main()
