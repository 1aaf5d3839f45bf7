"""Who and what is drawn: splits never overlap, and chosen features are kept."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brief.face_spec import FaceSpec
from training.world.personas import IDENTITY_SIZE, captioned, complete_face, draw_persona, persona_from_face
from training.world.products import KINDS, draw_product, product_split
from training.world.splits import split_of

SEEDS = st.integers(0, 2**31 - 1)


def test_about_fifteen_of_a_hundred_personas_are_held_out() -> None:
    held_out = sum(split_of(f"persona {seed}") == "held-out" for seed in range(2000))
    assert 240 < held_out < 360


@given(SEEDS)
def test_a_drawn_persona_belongs_to_the_split_that_was_asked_for(seed: int) -> None:
    assert split_of(f"persona {draw_persona(seed, 'held-out').seed}") == "held-out"
    assert split_of(f"persona {draw_persona(seed, 'train').seed}") == "train"


@given(SEEDS)
def test_a_drawn_product_belongs_to_the_split_that_was_asked_for(seed: int) -> None:
    assert product_split(draw_product(seed, "held-out")) == "held-out"
    assert product_split(draw_product(seed, "train")) == "train"


def test_every_kind_of_product_is_drawn() -> None:
    assert {draw_product(seed, "train").kind for seed in range(300)} == set(KINDS)


@given(SEEDS)
def test_a_completed_face_has_every_feature_but_notes(seed: int) -> None:
    face = complete_face(FaceSpec(), seed)
    assert {field.name for field in fields(face) if getattr(face, field.name) is None} == {"notes"}


@given(SEEDS)
def test_chosen_features_are_kept_and_nobody_is_implausible(seed: int) -> None:
    face = complete_face(FaceSpec(skin_tone=9, gender_expression="feminine", hair_colour="blue", moles=False), seed)
    assert (face.skin_tone, face.hair_colour, face.moles) == (9, "blue", False)
    assert face.facial_hair == "none"


def test_a_persona_is_the_same_every_time_and_differs_by_seed() -> None:
    first, again, other = (persona_from_face(FaceSpec(), seed) for seed in (3, 3, 4))
    assert first.face == again.face
    assert np.array_equal(first.identity, again.identity)
    assert first.identity.shape == (IDENTITY_SIZE,)
    assert not np.array_equal(first.identity, other.identity)


@pytest.mark.parametrize(
    ("face", "silent"),
    [
        (FaceSpec(hair_style="bald", hair_colour="red", fringe="none"), ("hair_colour", "fringe")),
        (FaceSpec(glasses="none", glasses_colour="red"), ("glasses_colour",)),
        (FaceSpec(hair_style="afro", hair_texture="straight"), ("hair_texture",)),
    ],
)
def test_captions_leave_out_what_cannot_be_seen(face: FaceSpec, silent: tuple[str, ...]) -> None:
    assert all(getattr(captioned(face), name) is None for name in silent)
