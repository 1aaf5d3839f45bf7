"""Contact sheets: ``python -m training.world.sheet OUT.png [--show features]``.

What to show: ``features`` (one person, one feature changed at a time, a row per field), ``people``, ``products``,
``places`` or ``shots``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brief.face_spec import CHOICES, FaceSpec
from training.world import pool
from training.world.personas import persona_from_face
from training.world.picture import render_scenes
from training.world.places import NAMES, WorldPlace
from training.world.products import COLOURS, KINDS, MATERIALS, PATTERNS, WorldProduct
from training.world.scene import SHOTS, Scene, View

Rows = list[list[Scene]]

_WOMAN = FaceSpec(
    age_band="adult", gender_expression="feminine", skin_tone=5, face_shape="oval", eye_colour="green",
    eye_shape="round", brows="arched", nose="small", lips="full", hair_style="bob", hair_length="medium",
    hair_texture="straight", hair_colour="brown", fringe="none", freckles=False, moles=False, lines="none",
    glasses="none", makeup="none", expression="smiling", head_pose="front", wardrobe="t-shirt",
    wardrobe_colour="teal", wardrobe_pattern="plain",
)  # fmt: skip
_NEEDS: dict[str, dict[str, str]] = {
    "hair_length": {"hair_style": "loose"},
    "facial_hair": {"gender_expression": "masculine", "hair_style": "quiff"},
    "fringe": {"hair_style": "ponytail"},
    "glasses_colour": {"glasses": "round"},
    "lines": {"age_band": "senior", "hair_style": "cropped"},
}
"""What must hold for a field to show."""


def _portrait(changes: Mapping[str, Any]) -> Scene:
    return Scene(View.PORTRAIT, 21, persona_from_face(replace(_WOMAN, **changes), 12))


def features() -> Rows:
    rows = [
        [_portrait({**_NEEDS.get(field, {}), field: value}) for value in values] for field, values in CHOICES.items()
    ]
    rows.append([_portrait({"skin_tone": tone}) for tone in range(1, 11)])
    flags: list[dict[str, Any]] = [
        {"freckles": True},
        {"moles": True},
        {"lines": "deep"},
        {"age_band": "senior", "lines": "none"},
    ]
    rows.append([_portrait(flag) for flag in flags])
    return rows


def people(count: int = 60, across: int = 10) -> Rows:
    plan = pool.Plan(seed=5)
    scenes = [pool.portrait(plan, 2 * number + number % 2) for number in range(count)]
    return [scenes[start : start + across] for start in range(0, count, across)]


def products() -> Rows:
    rows = []
    for row, kind in enumerate(KINDS):
        looks = [(pattern, MATERIALS[(row + i) % 3]) for i, pattern in enumerate(PATTERNS)]
        looks += [("plain", material) for material in MATERIALS]
        scenes = []
        for i, (pattern, material) in enumerate(looks):
            product = WorldProduct(kind, material, pattern, COLOURS[(row + i) % 10], ("white", "navy")[i % 2])
            scenes.append(Scene(View.PACKSHOT, row * 10 + i, product=product))
        rows.append(scenes)
    return rows


def places() -> Rows:
    return [[Scene(View.PHOTO, seed, place=WorldPlace(name, seed)) for seed in range(6)] for name in NAMES]


def shots() -> Rows:
    """A row per place with the four framings twice; people of the held-out split."""
    plan = pool.Plan(seed=9, split="held-out")
    rows = []
    for row, name in enumerate(NAMES):
        scenes = []
        for i in range(8):
            number = row * 8 + i
            pose, expression = CHOICES["head_pose"][i % 3], CHOICES["expression"][(i + row) % 3]
            who = pool.persona(plan, number).posed(pose, expression)
            scenes.append(Scene(SHOTS[i % 4], number, who, pool.product(plan, number), WorldPlace(name, i)))
        rows.append(scenes)
    return rows


SHEETS: dict[str, Callable[[], Rows]] = {
    "features": features, "people": people, "products": products, "places": places, "shots": shots,
}  # fmt: skip


def draw_sheet(rows: Rows, size: int) -> Image.Image:
    """A grid of scenes, rows of unequal length padded with white."""
    images, _ = render_scenes([scene for row in rows for scene in row], size)
    across = max(map(len, rows))
    sheet = np.full((len(rows) * size, across * size, 3), 255, np.uint8)
    at = 0
    for j, row in enumerate(rows):
        for i in range(len(row)):
            sheet[j * size : (j + 1) * size, i * size : (i + 1) * size] = images[at]
            at += 1
    return Image.fromarray(sheet)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--show", choices=tuple(SHEETS), default="shots")
    parser.add_argument("--size", type=int, default=128, help="edge of one picture in pixels")
    asked = parser.parse_args()
    draw_sheet(SHEETS[asked.show](), asked.size).save(asked.out)


if __name__ == "__main__":
    main()
