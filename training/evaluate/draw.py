"""Sample the evaluation's pictures through Lookbook's own stages, in batches, with progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from brief.recipe import take
from brief.types import Persona, Shot
from generation.compose import lay_out
from generation.face import draw_portraits
from generation.models import Models
from generation.scene.material import Material
from generation.scene.scene import Scene, put_back
from training.evaluate.cast import Cast

ANCHORS_OFF = {"product_keep": 0.0, "environment_keep": 0.0, "face_keep": 0.0, "free_keep": 0.0}
"""Changes of a take under which nothing is kept of its pictures: only words and the three adapters decide."""
DRAWN = {"product_keep": 0.9, "environment_keep": 0.9, "face_keep": 0.9, "free_keep": 0.9}
"""Changes of a take under which every pixel is drawn: originals only lead the first nine tenths of the steps."""
_BATCH = 8


def draw_all_portraits(models: Models, personas: Mapping[str, Persona]) -> dict[str, Image.Image]:
    """A portrait per persona, by name."""
    found: dict[str, Image.Image] = {}
    names = list(personas)
    for start in tqdm(range(0, len(names), _BATCH), desc="portraits", unit="batch"):
        part = names[start : start + _BATCH]
        drawn = draw_portraits(models, [personas[name] for name in part])
        found.update(zip(part, (portrait.image for portrait in drawn), strict=True))
    return found


def wordless(shots: Sequence[Shot]) -> list[Shot]:
    """The same shots without a word: a prompt names product, place and face, and would hide what an adapter does."""
    return [replace(shot, prompt="") for shot in shots]


def scenes_of(
    models: Models,
    shots: Sequence[Shot],
    cast: Cast,
    portraits: Mapping[str, Image.Image],
    changes: Mapping[str, float] | None = None,
    number: int = 1,
) -> list[Scene]:
    """Shots laid out, as takes of this ``number`` with ``changes`` of the recipe."""
    return [
        lay_out(
            models.painter,
            Material(
                shot,
                take(shot.key, shot.seed, number, changes),
                packshot=cast.images[shot.product.packshot.sha256],
                photo=cast.images[shot.environment.photo.sha256],
                portrait=portraits[shot.persona.name] if shot.persona else None,
            ),
        )
        for shot in shots
    ]


class BlankPage(Scene):
    """A scene of which a painter that completes pictures is shown nothing: words and adapters decide every pixel."""

    @cached_property
    def collage(self) -> Image.Image:
        return Image.new("RGB", self.size, "grey")

    @cached_property
    def drawn(self) -> Tensor:
        width, height = self.size
        return torch.ones(height, width)


def blank_pages(scenes: Sequence[Scene]) -> list[Scene]:
    """The same scenes, of which nothing is shown."""
    return [BlankPage(scene.material, scene.recipe, scene.size, scene.hint) for scene in scenes]


def draw_shots(models: Models, scenes: Sequence[Scene], *, paste: bool, label: str) -> list[Image.Image]:
    """The composed pictures; with ``paste`` what is kept to the end is put back, as in a real shot."""
    pictures: list[Image.Image] = []
    for start in tqdm(range(0, len(scenes), _BATCH), desc=label, unit="batch"):
        part = scenes[start : start + _BATCH]
        drawn = models.painter.compose(part)
        pictures += [_finished(picture, scene, paste) for picture, scene in zip(drawn, part, strict=True)]
    return pictures


def _finished(picture: Image.Image, scene: Scene, paste: bool) -> Image.Image:
    return put_back(picture, scene) if paste else picture
