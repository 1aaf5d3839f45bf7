"""Words of a scene: complete, shortened, mirrored, and all known to the tokenizer's corpus."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brief.prompts import portrait_prompt
from training.world import pool
from training.world.captions import all_words, caption, flip_caption, words
from training.world.personas import captioned
from training.world.scene import SHOTS, Scene, View

PLAN = pool.Plan(seed=1, personas=50, products=50, photos=24)
WORDS = set(all_words())
NUMBERS = st.integers(0, 5000)


@given(NUMBERS)
def test_no_caption_has_a_word_outside_the_corpus(number: int) -> None:
    scenes = [pool.portrait(PLAN, number), pool.packshot(PLAN, number), pool.photo(PLAN, number)]
    scenes.append(pool.shot(PLAN, number).scene)
    rng = np.random.default_rng(number)
    for scene in scenes:
        for text in (caption(scene), caption(scene, rng)):
            assert set(words(text)) <= WORDS, text


def test_the_studio_portrait_s_caption_is_the_prompt_of_run_time() -> None:
    scene = pool.portrait(PLAN, 0)
    assert scene.persona is not None
    assert caption(scene) == portrait_prompt(captioned(scene.persona.face))


@pytest.mark.parametrize("view", SHOTS)
def test_a_shot_tells_product_and_place(view: View) -> None:
    scene = Scene(view, 1, pool.persona(PLAN, 1), pool.product(PLAN, 1), pool.place(PLAN, 1))
    assert scene.product is not None
    assert scene.product.title in caption(scene)
    assert scene.place.description in caption(scene)
    assert ("person" in caption(scene)) == (view is not View.STILL)


@given(NUMBERS)
def test_mirroring_swaps_left_and_right_and_twice_is_nothing(number: int) -> None:
    text = caption(pool.portrait(PLAN, number))
    assert flip_caption(flip_caption(text)) == text
    assert ("turned left" in text) == ("turned right" in flip_caption(text))


def test_shortened_captions_are_shorter_on_average() -> None:
    rng = np.random.default_rng(0)
    scenes = [pool.portrait(PLAN, number) for number in range(40)]
    full = sum(len(caption(scene)) for scene in scenes)
    short = sum(len(caption(scene, rng)) for scene in scenes)
    assert short < 0.75 * full
