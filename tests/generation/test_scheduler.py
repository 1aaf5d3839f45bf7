"""The scheduler of a bundle: chosen by its card from the repository's own configuration, and tried at load."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from diffusers import DPMSolverMultistepScheduler
from PIL import Image

from generation.bundle.card import BundleError, hash_files, read_card, write_card
from generation.bundle.load import load
from generation.bundle.miniature import build
from generation.bundle.scheduler import ALTERNATIVES
from generation.studio import Studio
from tests.generation.takes import ADA, inputs

BUNDLES = Path(__file__).parents[2] / "bundles"
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SD15: dict[str, Any] = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}
"""``scheduler_config.json`` as stable-diffusion-v1-5 publishes it."""


def published(folder: Path, **wanted: str | float | bool) -> Path:
    """A stand-in with Stable Diffusion 1.5's own scheduler, in both files that name its class."""
    build(folder)
    index = json.loads((folder / "model_index.json").read_text())
    index["scheduler"] = ["diffusers", "PNDMScheduler"]
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(SD15))
    write_card(folder, replace(read_card(folder), sha256=hash_files(folder), scheduler=wanted))
    return folder


def test_the_scheduler_sd15_is_published_with_is_refused_at_load_and_others_are_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"PNDMScheduler cannot be used: it calls the UNet 5 times for 4 steps") as no:
        load(published(tmp_path), "cpu")
    assert all(name in str(no.value) for name in ALTERNATIVES)


@pytest.mark.parametrize("kind", ALTERNATIVES)
def test_every_alternative_draws_through_all_stages(tmp_path: Path, packshot: Image.Image, kind: str) -> None:
    studio = Studio.open(published(tmp_path, **{"class": kind}), "cpu")
    (portrait,) = studio.faces({"ada": ADA})
    (composed,) = studio.compose([inputs(packshot)])
    (refined,) = studio.refine([replace(inputs(packshot), picture=composed.image)])
    (scored,) = studio.score([replace(inputs(packshot), picture=refined.image)])
    assert [made.error for made in (portrait, composed, refined, scored)] == [None] * 4
    assert scored.measured is not None


def test_the_numbers_are_the_repositorys_own_and_then_the_cards(tmp_path: Path) -> None:
    wanted: dict[str, Any] = {"class": "DPMSolverMultistepScheduler", "use_karras_sigmas": True}
    scheduler = load(published(tmp_path, **wanted), "cpu").scheduler
    assert isinstance(scheduler, DPMSolverMultistepScheduler)
    assert (scheduler.config["beta_start"], scheduler.config["beta_schedule"]) == (0.00085, "scaled_linear")
    assert scheduler.config["steps_offset"] == 1
    assert scheduler.config["use_karras_sigmas"] is True


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"class": "HeunDiscreteScheduler"}, "HeunDiscreteScheduler cannot be used: it calls the UNet 7 times for 4"),
        ({"class": "LMSDiscreteScheduler"}, "LMSDiscreteScheduler cannot be built: (?s:.*)scipy"),
        ({"class": "FlowMatchEulerDiscreteScheduler"}, "it has no add_noise"),
        ({"class": "AutoencoderKL"}, "'AutoencoderKL' is not a scheduler of diffusers"),
        ({"class": "DDIMScheduler", "karras": True}, "DDIMScheduler has no 'karras'; it has beta_end"),
        ({"use_karras_sigmas": True}, "class None is not a scheduler"),
    ],
)
def test_what_cannot_be_used_is_refused_at_load(tmp_path: Path, wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        load(published(tmp_path, **wanted), "cpu")


def test_a_scheduler_is_in_the_fingerprint_and_none_is_not(tmp_path: Path) -> None:
    card = read_card(build(tmp_path))
    assert replace(card, scheduler={}).fingerprint == card.fingerprint
    euler = replace(card, scheduler={"class": "EulerDiscreteScheduler"})
    karras = replace(card, scheduler={"class": "EulerDiscreteScheduler", "use_karras_sigmas": True})
    assert len({card.fingerprint, euler.fingerprint, karras.fingerprint}) == 3


def test_the_starter_keeps_its_fingerprint() -> None:
    assert read_card(BUNDLES / "starter").fingerprint == "5f0f73643c82f2ae60ffd83940082f9a"


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_the_hub_bundles_choose_a_scheduler_that_draws(name: str) -> None:
    wanted = read_card(BUNDLES / name).scheduler
    assert wanted["class"] in ALTERNATIVES
