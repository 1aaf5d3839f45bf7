"""Keys are stable: these values hold on every machine and Python version.

If one of them changes, pictures that exist lose their keys. Then raise ``RECIPE_VERSION`` and say so in the changelog.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brief.recipe import RECIPE_VERSION, RECIPES, Recipe, digest, portrait_key, seed_of, shot_key, take
from brief.types import Framing, ImageRef
from tests.storage.samples import environment, persona, product, ref

BUNDLE = "f" * 32
SHOT: dict[str, Any] = {
    "product": product(),
    "environment": environment(),
    "portrait": "b9d39304cb4d07bff0bf9e03ab8efc00",
    "framing": Framing.HELD,
    "prompt": "a person holding a red mug, on a beach",
    "negative": "blurry",
    "seed": 4062989243,
    "size": (128, 128),
    "recipe": RECIPES["standard"],
    "bundle": BUNDLE,
}


def test_golden_values() -> None:
    assert RECIPE_VERSION == 4
    assert digest([]) == "4f53cda18c2baa0c0354bb5f9a3ecbe5"
    assert digest({"b": 1.0, "a": [1, "é", None, True, 0.1 + 0.2]}) == "b8bcc2700bfa1bdfa3cc5a91dffffd77"
    assert seed_of("a", 1) == 324999076
    assert portrait_key(persona(), BUNDLE) == "b9d39304cb4d07bff0bf9e03ab8efc00"
    assert portrait_key(persona(portrait=ref("x")), BUNDLE) == "6b10c230c92e30838a32d9c0aa5237d2"
    assert shot_key(**SHOT) == "d3afe765facf21d9abe441bf173bf0f9"
    first, second = take("aec7", 7, 1), take("aec7", 7, 2, {"product_strength": 0.9})
    assert (first.key, first.seed) == ("3ebde93cd81f3eaad321d35e83016e06", 7)
    assert (second.key, second.seed) == ("a811779390dae6adbc51b5c804629828", 499903797)


@pytest.mark.parametrize(
    "change",
    [
        {"product": product(packshot=ref("another"))},
        {"environment": environment(photo=ref("another"))},
        {"portrait": None},
        {"framing": Framing.PLINTH},
        {"prompt": "a person holding a blue mug, on a beach"},
        {"negative": ""},
        {"seed": 1},
        {"size": (128, 136)},
        {"recipe": RECIPES["draft"]},
        {"bundle": "e" * 32},
        {"product": product(attributes={"height": "24 cm"})},
        {"environment": environment(surface=0.0)},
        {"style": ref("style")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_decides_the_pixels_changes_the_key(change: dict[str, Any]) -> None:
    assert shot_key(**SHOT | change) != shot_key(**SHOT)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Recipe)])
def test_every_number_of_a_recipe_changes_the_key(field: str) -> None:
    recipe = RECIPES["standard"].changed({field: 3})
    styled = SHOT | {"style": ref("style")}
    assert shot_key(**styled | {"recipe": recipe}) != shot_key(**styled)
    # What a shot does not have changes nothing of it.
    assert (shot_key(**SHOT | {"recipe": recipe}) == shot_key(**SHOT)) == (field == "style_strength")


def test_a_products_height_is_read_in_any_unit() -> None:
    given = {"24 cm": 24, "240mm": 24, "9,5 in": 24.13, "1.2 m": 120, "tall": None, "24": None, "0 cm": None}
    for text, height in given.items():
        assert product(attributes={"height": text}).height_cm == (pytest.approx(height) if height else None), text
    assert product(attributes={"height_cm": "9.5"}).height_cm == 9.5


def test_names_and_places_in_the_bucket_do_not_change_the_key() -> None:
    moved = product(sku="OTHER", category="cup", packshot=ImageRef("elsewhere.png", product().packshot.sha256))
    renamed = environment(name="shore")
    renamed = dataclasses.replace(renamed, photo=ImageRef("elsewhere.jpg", environment().photo.sha256))
    assert shot_key(**SHOT | {"product": moved, "environment": renamed}) == shot_key(**SHOT)


def test_a_brought_portrait_is_keyed_by_its_content_alone() -> None:
    brought = persona(portrait=ref("zoe"))
    assert portrait_key(brought, BUNDLE) == portrait_key(persona("other", seed=9, portrait=ref("zoe")), "e" * 32)
    assert portrait_key(persona(), BUNDLE) != portrait_key(persona(seed=8), BUNDLE)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=6))
def test_a_digest_does_not_depend_on_the_order_of_keys(values: dict[str, Any]) -> None:
    assert digest(values) == digest(dict(reversed(values.items())))
    assert len(digest(values)) == 32


def test_what_is_not_finite_has_no_digest() -> None:
    for value in (float("nan"), float("inf"), float("-inf")):
        with pytest.raises(ValueError, match="cannot be part of a digest"):
            digest({"strength": value})


def test_a_change_to_what_a_recipe_does_not_have_is_named() -> None:
    with pytest.raises(ValueError, match="a recipe has no 'strength'; it has steps, guidance"):
        RECIPES["standard"].changed({"strength": 1.0})
    assert RECIPES["standard"].changed({"steps": 12.0}).steps == 12


def test_words_for_a_take_are_part_of_its_key_and_no_words_change_nothing() -> None:
    plain, warm = take("aec7", 7, 2), take("aec7", 7, 2, words="warm light")
    assert plain == take("aec7", 7, 2, words="")
    assert (warm.key != plain.key, warm.seed) == (True, plain.seed)
