"""Every dimension says what it means, and what it changes is something that a recipe has."""

from __future__ import annotations

import pytest

from brief.dimensions import BY_NAME, DIMENSIONS, Dimension, unknown
from brief.recipe import Recipe


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda each: each.name)
def test_a_dimension_says_what_low_means_and_its_remedy_fits_a_recipe(dimension: Dimension) -> None:
    assert dimension.low.strip()
    recipe = Recipe().changed(dimension.remedy(Recipe()))
    assert dimension.remedy(Recipe()) == {} or recipe != Recipe()


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(DIMENSIONS)


def test_the_next_take_never_keeps_less_of_the_place() -> None:
    recipe = Recipe(environment_keep=0.95)
    assert recipe.changed(BY_NAME["environment"].remedy(recipe)).environment_keep == 0.95


def test_pixels_that_are_kept_to_the_end_cannot_change() -> None:
    anchored = Recipe(product_keep=1.0, environment_keep=1.0, face_keep=1.0)
    fixed = {dimension.name for dimension in DIMENSIONS if dimension.kept(anchored)}
    assert fixed == {"product", "label", "environment", "exposure", "identity", "features", "cutout"}
    assert [each.name for each in DIMENSIONS if each.kept(Recipe(product_keep=0.5))] == ["cutout"]  # no take changes it


def test_a_name_that_is_misspelt_is_told_with_those_that_are_known() -> None:
    assert unknown(["product", "sharpness"]) is None
    message = unknown(["sharpnes"])
    assert message is not None
    assert "'sharpnes'" in message
    assert "sharpness, exposure" in message
