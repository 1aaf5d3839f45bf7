"""Which pictures a dataset has: pools of people, products and places, and scenes that draw from them.

Everything follows from a :class:`Plan`: any picture can be drawn again from its number alone, so shards are written in
any order and by several machines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brief.face_spec import CHOICES
from training.world.personas import WorldPersona, draw_persona
from training.world.places import NAMES, WorldPlace
from training.world.products import WorldProduct, draw_product
from training.world.scene import SHOTS, Scene, View
from training.world.splits import Split, digest_number

PORTRAITS_PER_PERSONA = 2
SHOT_ODDS = (0.36, 0.30, 0.20, 0.14)
"""How often each of :data:`training.world.scene.SHOTS` is taken."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of the pools. ``photos`` counts places in all, spread evenly over the kinds."""

    seed: int = 0
    split: Split = "train"
    size: int = 128
    personas: int = 1000
    products: int = 1000
    photos: int = 240


@dataclass(frozen=True, slots=True)
class Shot:
    """A composed scene and the numbers of its parts in the pools (``persona`` is -1 in a still)."""

    scene: Scene
    persona: int
    product: int
    photo: int


def _seed(plan: Plan, what: str, number: int) -> int:
    return digest_number(f"{plan.seed} {what} {number}") % 2**31


def _rng(plan: Plan, what: str, number: int) -> np.random.Generator:
    return np.random.default_rng(_seed(plan, what, number))


def _posed(persona: WorldPersona, rng: np.random.Generator) -> WorldPersona:
    poses, expressions = CHOICES["head_pose"], CHOICES["expression"]
    return persona.posed(poses[rng.integers(len(poses))], expressions[rng.integers(len(expressions))])


def persona(plan: Plan, number: int) -> WorldPersona:
    return draw_persona(_seed(plan, "persona", number), plan.split)


def product(plan: Plan, number: int) -> WorldProduct:
    return draw_product(_seed(plan, "product", number), plan.split)


def place(plan: Plan, number: int) -> WorldPlace:
    return WorldPlace(NAMES[number % len(NAMES)], _seed(plan, "place", number))


def portrait(plan: Plan, number: int) -> Scene:
    """Portrait ``number``: persona ``number // 2``. The even one faces front in the studio like the reference that is
    synthesised at run time; the odd one has another pose, expression, place and light."""
    who = persona(plan, number // PORTRAITS_PER_PERSONA)
    rng = _rng(plan, "portrait", number)
    if number % PORTRAITS_PER_PERSONA == 0:
        return Scene(View.PORTRAIT, _seed(plan, "portrait light", number), who.posed("front", "neutral"))
    where = place(plan, int(rng.integers(plan.photos)))
    return Scene(View.PORTRAIT, _seed(plan, "portrait light", number), _posed(who, rng), place=where)


def packshot(plan: Plan, number: int) -> Scene:
    return Scene(View.PACKSHOT, _seed(plan, "packshot", number), product=product(plan, number))


def photo(plan: Plan, number: int) -> Scene:
    return Scene(View.PHOTO, _seed(plan, "photo", number), place=place(plan, number))


def shot(plan: Plan, number: int) -> Shot:
    """Composed scene ``number``; its photo shows the same place in other light."""
    rng = _rng(plan, "shot", number)
    view = SHOTS[rng.choice(len(SHOTS), p=SHOT_ODDS)]
    who, what, where = (int(rng.integers(count)) for count in (plan.personas, plan.products, plan.photos))
    person = None if view is View.STILL else _posed(persona(plan, who), rng)
    scene = Scene(view, _seed(plan, "shot light", number), person, product(plan, what), place(plan, where))
    return Shot(scene, -1 if person is None else who, what, where)
