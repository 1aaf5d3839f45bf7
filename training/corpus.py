"""Everything that was rendered for one split, side by side in memory: pictures, what shows where, who, what, words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.casting import FOLDER as CASTINGS
from training.casting import casting
from training.world import pool
from training.world.dataset import World, load_pictures
from training.world.picture import BODY_IDS, FACE_IDS, PRODUCT_IDS
from training.world.scene import Scene
from training.world.splits import Split

Bytes = npt.NDArray[np.uint8]

CASTING, PORTRAIT, SHOT, PACKSHOT, PHOTO = range(5)
"""Kinds of pictures, in the order in which they lie in a corpus."""


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """``n`` pictures of a split.

    Attributes:
        images, ids: uint8 [n, S, S, 3] and [n, S, S]; see :mod:`training.world.picture`.
        kinds: [n]. people, things, places: [n] numbers in the plan's pools, -1 for none.
        scenes: what is in each picture.
    """

    images: Bytes
    ids: Bytes
    kinds: Tensor
    people: Tensor
    things: Tensor
    places: Tensor
    scenes: list[Scene]

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, *kinds: int) -> Tensor:
        """Numbers of the pictures of some kinds."""
        return torch.isin(self.kinds, torch.tensor(kinds)).nonzero()[:, 0]

    def pixels(self, rows: Tensor) -> Tensor:
        """[rows, 3, S, S] in -1 to 1."""
        return torch.from_numpy(self.images[rows.numpy()]).permute(0, 3, 1, 2).float() / 127.5 - 1

    def boxes(self, materials: tuple[int, ...]) -> Tensor:
        """Left, top, right, bottom in pixels of what is made of ``materials``, int64 [n, 4]; zeros for nothing."""
        found = torch.from_numpy(np.isin(self.ids, materials))
        across, down = found.any(1).byte(), found.any(2).byte()
        edge = found.shape[1]
        near = [across.argmax(1), down.argmax(1)]
        far = [edge - across.flip(1).argmax(1), edge - down.flip(1).argmax(1)]
        return torch.stack([*near, *far], 1) * across.amax(1)[:, None]


def read_corpus(data: Path, split: Split) -> Corpus:
    """All shards of ``data/split`` that are there now; rendering may go on meanwhile.

    Raises:
        FileNotFoundError: nothing was rendered; says how to.
    """
    folder = data / split
    world = World(folder)
    plan = world.plan
    images, ids, kinds, scenes = [], [], [], []
    numbers: list[list[int]] = []
    for kind, name in enumerate((CASTINGS, "portraits", "shots", "packshots", "photos")):
        if not any((folder / name).glob("*.npz")):
            continue
        found = load_pictures(folder / name)
        images.append(found.images)
        ids.append(found.ids)
        kinds += [kind] * len(found)
        for number in range(len(found)):
            scene, parts = _told(plan, kind, number)
            scenes.append(scene)
            numbers.append(parts)
    if not images:
        raise FileNotFoundError(f"{folder} holds no pictures: write some with `python -m training render`")
    people, things, places = torch.tensor(numbers).unbind(1)
    return Corpus(np.concatenate(images), np.concatenate(ids), torch.tensor(kinds), people, things, places, scenes)


def _told(plan: pool.Plan, kind: int, number: int) -> tuple[Scene, list[int]]:
    """Scene ``number`` of a kind, and the pool numbers of its person, product and place."""
    if kind == CASTING:
        return casting(plan, number), [number, -1, -1]
    if kind == PORTRAIT:
        return pool.portrait(plan, number), [number // pool.PORTRAITS_PER_PERSONA, -1, -1]
    if kind == PACKSHOT:
        return pool.packshot(plan, number), [-1, number, -1]
    if kind == PHOTO:
        return pool.photo(plan, number), [-1, -1, number]
    shot = pool.shot(plan, number)
    return shot.scene, [shot.persona, shot.product, shot.photo]


def pixel_weights() -> npt.NDArray[np.float32]:
    """What a pixel of each material weighs when a reconstruction is judged: faces and products most."""
    weights = np.ones(256, np.float32)
    weights[list(FACE_IDS)] = 2.0
    weights[list(PRODUCT_IDS)] = 1.8
    weights[list(BODY_IDS)] = 1.2
    return weights
