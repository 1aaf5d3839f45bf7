"""Rendered shards as training examples.

A dataset's folder holds plan.json and portraits/, packshots/, photos/, shots/ with .npz shards: ``images`` uint8
[n, S, S, 3], ``ids`` uint8 [n, S, S], and for shots the pool numbers ``personas`` (-1 in a still), ``products``,
``photos``. Scenes and captions are not stored: they follow from the plan and the picture's number.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.world import pool
from training.world.captions import caption
from training.world.scene import Scene

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Every picture of one folder: images [n, S, S, 3], ids [n, S, S], pool numbers by name [n]."""

    images: Images
    ids: Images
    columns: dict[str, npt.NDArray[np.int64]]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A composed scene and its references, taken in other light (and pose).

    ``image``, ``portrait``, ``packshot``, ``photo`` are uint8 [S, S, 3]; ``ids`` is uint8 [S, S] for the target.
    ``portrait`` is ``None`` in a still.
    """

    scene: Scene
    caption: str
    image: Images
    ids: Images
    portrait: Images | None
    packshot: Images
    photo: Images


def load_pictures(folder: Path) -> Pictures:
    """All shards of a folder in the order of their numbers.

    Raises:
        FileNotFoundError: no shard there; says how to write some.
    """
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise FileNotFoundError(f"{folder} holds no shard: write some with `python -m training.world.render`")
    shards = []
    for path in paths:
        with np.load(path) as shard:
            shards.append({name: shard[name] for name in shard.files})
    whole = {name: np.concatenate([shard[name] for shard in shards]) for name in shards[0]}
    return Pictures(whole.pop("images"), whole.pop("ids"), whole)


class World:
    """A dataset on disk; each of its four folders is read when first asked for.

    Args:
        folder: for instance ``training/data/train``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan = pool.Plan(**json.loads((folder / "plan.json").read_text()))

    @cached_property
    def portraits(self) -> Pictures:
        """Two per persona: numbers ``2 * persona`` (front, studio) and ``2 * persona + 1`` (elsewhere)."""
        return load_pictures(self.folder / "portraits")

    @cached_property
    def packshots(self) -> Pictures:
        return load_pictures(self.folder / "packshots")

    @cached_property
    def photos(self) -> Pictures:
        return load_pictures(self.folder / "photos")

    @cached_property
    def shots(self) -> Pictures:
        return load_pictures(self.folder / "shots")

    def __len__(self) -> int:
        return len(self.shots)

    def example(self, number: int, rng: np.random.Generator) -> Example:
        """Shot ``number`` with a portrait picked at random and a caption that tells a random share of the features."""
        shot = pool.shot(self.plan, number)
        portrait = None
        if shot.persona >= 0:
            view = int(rng.integers(pool.PORTRAITS_PER_PERSONA))
            portrait = self.portraits.images[shot.persona * pool.PORTRAITS_PER_PERSONA + view]
        return Example(
            scene=shot.scene,
            caption=caption(shot.scene, rng),
            image=self.shots.images[number],
            ids=self.shots.ids[number],
            portrait=portrait,
            packshot=self.packshots.images[shot.product],
            photo=self.photos.images[shot.photo],
        )
