"""Where things lie in the bucket."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brief.plan import plan
from brief.recipe import take
from storage.bucket import keys as object_keys
from tests.storage.samples import BUNDLE, campaign, environment, persona, product


def test_keys_of_a_shot_and_its_take() -> None:
    (shot,) = plan(campaign(), {"": product()}, {"beach": environment()}, {"ana": persona()}, BUNDLE).shots
    made = take(shot.key, shot.seed, 1)
    folder = f"published/autumn/MUG-1/{shot.key}"
    assert object_keys.composed(made) == f"takes/{shot.key}/{made.key}/composed.png"
    assert object_keys.refined(made).startswith(object_keys.takes_of(shot.key))
    assert object_keys.master(shot, "1a") == f"{folder}/master-1a.png"
    assert object_keys.rendition(shot, "web", "webp", "1a") == f"{folder}/web-1a.webp"
    assert object_keys.rendition(shot, "print", "jpeg", "2") == f"{folder}/print-2.jpg"
    assert object_keys.manifest(shot) == f"{folder}/manifest.json"
    assert object_keys.manifest(shot, 2) == f"{folder}/manifest-2.json"
    assert object_keys.current("spring / summer", ".csv") == "published/spring-summer/current.csv"


@pytest.mark.parametrize(
    ("name", "safe"),
    [("MUG-1", "MUG-1"), ("a/b", "a-b"), ("..", "-"), ("50% off", "50-off"), ("Café №1", "Caf-1"), ("", "-")],
)
def test_names_become_one_safe_part_of_a_key(name: str, safe: str) -> None:
    assert object_keys.safe_name(name) == safe


@settings(deadline=None)
@given(st.text())
def test_no_name_leaves_its_folder(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", object_keys.safe_name(name))


def test_every_key_has_a_content_type() -> None:
    for extension in object_keys.EXTENSIONS.values():
        assert object_keys.content_type(object_keys.packshot("0" * 64, extension)).startswith("image/")
    assert object_keys.content_type("a/manifest.json") == "application/json"
