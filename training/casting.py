"""Studio portraits of many people, for the stage that matters most: a face from chosen features.

The world's own pool has two portraits per persona, and only neutral front views in the studio. Portraits at run time
are asked for with any expression and pose, so these are drawn besides: persona ``number`` of the plan, in the studio.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numba
import numpy as np
from tqdm import tqdm

from brief.face_spec import CHOICES
from training.world import pool
from training.world.render import Columns, keep_plan, write_shards
from training.world.scene import Scene, View
from training.world.splits import digest_number

FOLDER = "castings"
_POSES = (0.6, 0.2, 0.2)
"""How often each of ``CHOICES["head_pose"]`` is taken: most portraits are asked for from the front."""


def casting(plan: pool.Plan, number: int) -> Scene:
    """Persona ``number`` in the studio, pose and expression by chance."""
    rng = np.random.default_rng(digest_number(f"{plan.seed} casting {number}"))
    pose = CHOICES["head_pose"][rng.choice(len(_POSES), p=_POSES)]
    expression = CHOICES["expression"][rng.integers(len(CHOICES["expression"]))]
    return Scene(View.PORTRAIT, int(rng.integers(2**31)), pool.persona(plan, number).posed(pose, expression))


def write_castings(folder: Path, plan: pool.Plan, count: int) -> None:
    """Draw castings 0 to ``count`` into ``folder/castings``; what is there is kept."""

    def scenes_of(numbers: range) -> tuple[list[Scene], Columns]:
        return [casting(plan, number) for number in numbers], {}

    keep_plan(folder, plan)
    with tqdm(total=count, desc=FOLDER, unit="picture") as bar:
        write_shards(folder / FOLDER, count, plan.size, bar, scenes_of)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw studio portraits of the people of a dataset.")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--out", type=Path, default=Path("training/data"))
    parser.add_argument("--split", choices=("train", "held-out"), default="train")
    parser.add_argument("--personas", type=int, default=500)
    parser.add_argument("--products", type=int, default=500)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    numba.set_num_threads(asked.threads)
    plan = replace(pool.Plan(split=asked.split), personas=asked.personas, products=asked.products)
    write_castings(asked.out / asked.split, plan, asked.count)


if __name__ == "__main__":
    main()
