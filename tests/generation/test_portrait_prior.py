"""A sketch follows the casting sheet and the seed, and fills in what was left open without touching what was chosen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from brief.face_spec import FaceSpec
from generation.painters.stable_diffusion.portrait_prior import (
    PortraitPrior,
    PortraitPriorConfig,
    Value,
    completed,
    first_latents,
    load_portrait_prior,
    save_portrait_prior,
)

FIELDS: dict[str, list[Value]] = {
    "hair_colour": ["black", "blonde"],
    "skin_tone": [1, 2, 3],
    "head_pose": ["front", "turned left"],
}
DONORS: list[dict[str, Value]] = [
    {"hair_colour": "black", "skin_tone": 3, "head_pose": "front"},
    {"hair_colour": "blonde", "skin_tone": 1, "head_pose": "front"},
]
VIEWS = {"front": [0.0, 0.1], "turned left": [-0.5, 0.1]}


@pytest.fixture(scope="module")
def model() -> PortraitPrior:
    torch.manual_seed(0)
    return PortraitPrior(PortraitPriorConfig(16, 8, 1, FIELDS, 3, VIEWS, (4, 8, 8), DONORS)).eval()


def test_what_was_chosen_stays_and_the_rest_comes_from_a_donor_that_agrees(model: PortraitPrior) -> None:
    full = completed(model.config, FaceSpec(hair_colour="blonde", head_pose="turned left"), seed=5)
    assert full == FaceSpec(hair_colour="blonde", skin_tone=1, head_pose="turned left")


def test_a_donor_with_glasses_lends_their_colour() -> None:
    fields: dict[str, list[Value]] = {
        "glasses": ["none", "round"],
        "glasses_colour": ["red"],
        "eye_colour": ["blue"],
        "freckles": [True],
        "head_pose": ["front"],
    }
    donors: list[dict[str, Value]] = [
        {"glasses": "none", "eye_colour": "blue", "freckles": True},
        {"glasses": "round", "glasses_colour": "red", "eye_colour": "brown"},
    ]
    config = PortraitPriorConfig(16, 8, 1, fields, 3, {"front": [0.0]}, (4, 8, 8), donors)
    asked = FaceSpec(glasses="round", eye_colour="blue", freckles=True)
    assert completed(config, asked, seed=1) == FaceSpec(
        glasses="round", glasses_colour="red", eye_colour="blue", freckles=True
    )


def test_every_feature_and_the_seed_change_the_sketch_and_nothing_else_does(model: PortraitPrior) -> None:
    face = FaceSpec(hair_colour="black", skin_tone=2, head_pose="front")
    others = [
        FaceSpec(hair_colour="blonde", skin_tone=2, head_pose="front"),
        FaceSpec(hair_colour="black", skin_tone=1, head_pose="front"),
        FaceSpec(hair_colour="black", skin_tone=2, head_pose="turned left"),
    ]
    drawn = first_latents(model, [face, *others, face, face], [1, 1, 1, 1, 2, 1])
    assert drawn.shape == (6, 4, 8, 8)
    assert all(not torch.allclose(drawn[0], drawn[index]) for index in range(1, 5))
    torch.testing.assert_close(drawn[0], drawn[5])


def test_it_is_kept_in_half_precision_with_its_configuration(model: PortraitPrior, tmp_path: Path) -> None:
    save_portrait_prior(model, tmp_path)
    again = load_portrait_prior(tmp_path)
    face = [FaceSpec(hair_colour="blonde")]
    torch.testing.assert_close(first_latents(again, face, [3]), first_latents(model, face, [3]), atol=1e-2, rtol=1e-2)
    assert again.config.keep == model.config.keep
