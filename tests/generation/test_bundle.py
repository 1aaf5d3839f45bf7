"""Bundles: what is loaded is what was listed, and every refusal names its file."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from brief.types import Threshold
from generation.bundle.card import BundleCard, BundleError, hash_files, read_card, write_card
from generation.bundle.load import Bundle, load
from generation.bundle.miniature import build
from tests.published.bundles import BUNDLES


@pytest.fixture
def copy(miniature: Path, tmp_path: Path) -> Path:
    """A bundle that a test may spoil."""
    return Path(shutil.copytree(miniature, tmp_path / "bundle"))


def _relist(folder: Path, **changes: object) -> None:
    card = replace(read_card(folder), sha256=hash_files(folder))
    write_card(folder, replace(card, **changes))  # type: ignore[arg-type]


def test_everything_is_read_from_the_configurations(bundle: Bundle) -> None:
    assert (bundle.latent_channels, bundle.scale_factor) == (4, 8)
    assert bundle.card.stand_in
    assert bundle.dtype is torch.float32
    assert bundle.counts.loads == 1


def test_a_stand_in_is_the_same_wherever_it_is_built(miniature: Path, tmp_path: Path) -> None:
    again = build(tmp_path / "again")
    assert read_card(again).fingerprint == read_card(miniature).fingerprint
    assert read_card(build(tmp_path / "other", seed=1)).fingerprint != read_card(miniature).fingerprint


def test_an_altered_file_is_named(copy: Path) -> None:
    with (copy / "unet" / "config.json").open("a") as file:
        file.write(" ")
    with pytest.raises(BundleError, match=r"unet/config\.json is not the file that bundle\.toml lists"):
        load(copy, "cpu")


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "ip_adapter" / "product.safetensors").unlink()
    with pytest.raises(BundleError, match=r"ip_adapter/product\.safetensors is missing"):
        load(copy, "cpu")


def test_an_unlisted_file_is_named(copy: Path) -> None:
    (copy / "unet" / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(BundleError, match=r"unet/pytorch_model\.bin is not listed"):
        load(copy, "cpu")


def test_a_non_commercial_licence_is_refused_unless_allowed(copy: Path) -> None:
    _relist(copy, commercial=False, licence="CC-BY-NC-4.0")
    with pytest.raises(BundleError, match=r"'CC-BY-NC-4\.0' .* not marked as commercial"):
        load(copy, "cpu")
    assert load(copy, "cpu", allow_non_commercial=True).card.licence == "CC-BY-NC-4.0"


def test_a_resampler_that_would_be_cut_is_refused(copy: Path) -> None:
    file = copy / "ip_adapter" / "face.safetensors"
    tensors = load_file(file)
    deeper = {
        key.replace("layers.0.", "layers.4."): value.clone() for key, value in tensors.items() if "layers.0." in key
    }
    save_file({**tensors, **deeper}, file)
    _relist(copy)
    with pytest.raises(BundleError, match=r"face\.safetensors: its resampler has 5 layers"):
        load(copy, "cpu")


def test_an_adapter_for_another_unet_is_refused(copy: Path) -> None:
    file = copy / "ip_adapter" / "environment.safetensors"
    tensors = load_file(file)
    save_file(
        {key: value[..., :16].contiguous() if "to_k_ip" in key else value for key, value in tensors.items()}, file
    )
    _relist(copy)
    with pytest.raises(BundleError, match="do not fit its UNet"):
        load(copy, "cpu")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ('family = "sd15"', "family 'sd99' is unknown"),
        ('face = "ip_adapter/face.safetensors"', "leads out of the bundle"),
        ("steps = 4", "a recipe has no 'stepz'"),
        ('name = "miniature-sd15"', "unexpected keyword argument 'nam'"),
    ],
)
def test_a_wrong_card_says_what_is_wrong(copy: Path, spoil: str, message: str) -> None:
    wrong = {
        'family = "sd15"': 'family = "sd99"',
        'face = "ip_adapter/face.safetensors"': 'face = "../face.safetensors"',
        "steps = 4": "stepz = 4",
        'name = "miniature-sd15"': 'nam = "miniature-sd15"',
    }[spoil]
    file = copy / "bundle.toml"
    text = file.read_text().replace(f'"{spoil.split(" = ")[0]}" = ', f"{spoil.split(' = ')[0]} = ")
    assert spoil in text
    file.write_text(text.replace(spoil, wrong))
    with pytest.raises(BundleError, match=message):
        load(copy, "cpu")


def test_a_folder_without_card_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="set LOOKBOOK_BUNDLE"):
        load(tmp_path)


def test_a_card_is_read_back_as_written(tmp_path: Path) -> None:
    card = BundleCard(
        name='a "quoted" name',
        family="sdxl",
        licence="Apache-2.0",
        commercial=True,
        width=1024,
        height=768,
        adapters={"face": "f.safetensors", "product": "p.safetensors", "environment": "e.safetensors"},
        recipe={"guidance": 3.5},
        thresholds={"product": Threshold(0.8, 0.6)},
        source={"base": "someone/base"},
    )
    write_card(tmp_path, card)
    assert read_card(tmp_path) == card


def test_thresholds_do_not_change_the_fingerprint_but_recipe_numbers_do(bundle: Bundle) -> None:
    card = bundle.card
    assert replace(card, thresholds={}).fingerprint == card.fingerprint
    assert replace(card, recipe={"steps": 5}).fingerprint != card.fingerprint


def test_the_bundles_numbers_yield_to_the_presets_own_and_to_the_takes(bundle: Bundle) -> None:
    card = replace(bundle.card, recipe={"steps": 20, "guidance": 3.0})
    assert (card.recipe_for("standard").steps, card.recipe_for("standard").guidance) == (20, 3.0)
    assert (card.recipe_for("draft").steps, card.recipe_for("draft").guidance) == (10, 3.0)
    assert card.recipe_for("draft", {"steps": 7}).steps == 7
    with pytest.raises(ValueError, match="recipe 'fast' is unknown"):
        card.recipe_for("fast")


def test_a_bundle_may_name_other_folders_as_its_source(miniature: Path, tmp_path: Path) -> None:
    card = replace(
        read_card(miniature),
        sha256={},
        source={"base": str(miniature), "adapters": str(miniature), "image_encoder": "image_encoder"},
    )
    write_card(tmp_path, card)
    assert load(tmp_path, "cpu").card.source["base"] == str(miniature)


def test_a_hub_source_must_be_pinned(miniature: Path, tmp_path: Path) -> None:
    source = {"base": "someone/base", "adapters": str(miniature), "image_encoder": "image_encoder"}
    write_card(tmp_path, replace(read_card(miniature), sha256={}, source=source))
    with pytest.raises(BundleError, match="if it is a repository of the hub, name its commit as base_revision"):
        load(tmp_path, "cpu")


@pytest.mark.parametrize("name", ["sd15", "sd15-inpaint", "sd15-draft", "sdxl", "sdxl-inpaint", "sdxl-draft"])
def test_the_hub_bundles_that_ship_are_commercial_and_pinned(name: str) -> None:
    card = read_card(Path(__file__).parents[2] / "bundles" / name)
    assert card.commercial
    assert card.local_parts == ()
    assert {len(value) for key, value in card.source.items() if key.endswith("_revision")} == {40}
    assert {len(lora.revision) for lora in card.loras} <= {40}


def test_which_file_a_role_has_is_part_of_the_fingerprint(miniature: Path) -> None:
    """Two adapters exchanged, one left out or a prior left out draw other pictures with the same files."""
    card = read_card(miniature)
    face, product = card.adapters["face"], card.adapters["product"]
    others = [
        replace(card, adapters={**card.adapters, "face": product, "product": face}),
        replace(card, adapters={"environment": card.adapters["environment"]}),
        replace(card, scorers={"sketch": "scorers/sketch"}),
    ]
    assert len({card.fingerprint, *(other.fingerprint for other in others)}) == 4
    hub = read_card(BUNDLES / "sd15")
    light = {**hub.adapters, "environment": "models/ip-adapter_sd15_light.safetensors"}
    assert replace(hub, adapters=light).fingerprint != hub.fingerprint
