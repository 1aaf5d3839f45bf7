"""Where weights come from: folders and files of one's own, and what of them belongs to a bundle's digest."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from generation.bundle import hub
from generation.bundle.card import BundleCard, BundleError, Lora, hash_file, read_card, write_card
from generation.bundle.load import load

LORA_LAYER = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q"


@pytest.fixture
def models(miniature: Path, tmp_path: Path) -> Path:
    """A folder of models that a test may spoil."""
    return Path(shutil.copytree(miniature, tmp_path / "models"))


def bundle_of(folder: Path, models: str, **changes: Any) -> Path:
    """A bundle in ``folder`` without weights, whose parts all lie in ``models``."""
    folder.mkdir(exist_ok=True)
    card = read_card(Path(models).expanduser() if models.startswith(("~", "/")) else folder / models)
    source = {"base": models, "adapters": models, "image_encoder": "image_encoder"}
    changes["source"] = source | changes.get("source", {})
    write_card(folder, replace(card, sha256={}, **changes))
    return folder


def fingerprint(folder: Path) -> str:
    return load(folder, "cpu").card.fingerprint


@pytest.mark.parametrize("named", ["../models", "~/models"])
def test_a_path_begins_at_the_bundle_or_at_home(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = bundle_of(tmp_path / "bundle", named)
    monkeypatch.chdir("/")
    assert load(folder, "cpu").card.source["base"] == named


def test_a_mistyped_folder_is_named_and_never_asked_of_the_hub(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: pytest.fail("the hub was asked"))
    folder = bundle_of(tmp_path / "bundle", str(models), source={"base": "../modells"})
    with pytest.raises(BundleError, match=r"base = '\.\./modells': there is no folder .*fix the path"):
        load(folder, "cpu")


def test_files_of_ones_own_count_by_their_content_not_by_where_they_lie(models: Path, tmp_path: Path) -> None:
    before = fingerprint(bundle_of(tmp_path / "bundle", str(models)))
    moved = Path(shutil.move(models, tmp_path / "elsewhere"))
    assert fingerprint(bundle_of(tmp_path / "bundle", str(moved))) == before
    file = moved / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    save_file({**tensors, "conv_in.bias": tensors["conv_in.bias"] + 1}, file, metadata={"format": "pt"})
    assert fingerprint(tmp_path / "bundle") != before


def test_what_is_not_loaded_does_not_count(models: Path, tmp_path: Path) -> None:
    folder = bundle_of(tmp_path / "bundle", str(models))
    before = fingerprint(folder)
    (models / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    (models / "notes.md").write_text("mine")
    assert fingerprint(folder) == before


def test_the_fingerprint_of_local_files_is_not_told_before_they_are_read(models: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="load it to know its fingerprint"):
        _ = read_card(bundle_of(tmp_path / "bundle", str(models))).fingerprint


def test_recorded_digests_of_local_files_are_held(models: Path, tmp_path: Path) -> None:
    folder = bundle_of(tmp_path / "bundle", str(models))
    recorded = load(folder, "cpu").card
    write_card(folder, recorded)
    assert read_card(folder).fingerprint == recorded.fingerprint
    with (models / "unet" / "config.json").open("a") as file:
        file.write(" ")
    with pytest.raises(BundleError, match=r"base/unet/config\.json is not the file that \[source_sha256\] lists"):
        load(folder, "cpu")


def test_half_precision_only_needs_its_variant_said(models: Path, tmp_path: Path) -> None:
    for file in [*models.glob("*/diffusion_pytorch_model.safetensors"), *models.glob("text_encoder/model.safetensors")]:
        file.rename(file.with_name(file.name.replace(".safetensors", ".fp16.safetensors")))
    folder = bundle_of(tmp_path / "bundle", str(models))
    with pytest.raises(BundleError, match=r'unet/diffusion_pytorch_model\.safetensors is missing.*variant = "fp16"'):
        load(folder, "cpu")
    assert load(bundle_of(tmp_path / "bundle", str(models), variant="fp16"), "cpu").card.variant == "fp16"


def test_a_separate_autoencoder_takes_the_bases_place(models: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(models / "vae", tmp_path / "vae"))
    file = own / "diffusion_pytorch_model.safetensors"
    save_file({k: v + 0.5 for k, v in load_file(file).items()}, file, metadata={"format": "pt"})
    bundle = load(bundle_of(tmp_path / "bundle", str(models), source={"vae": str(own)}), "cpu")
    wanted = load_file(file)
    assert all(torch.equal(value, wanted[key]) for key, value in bundle.vae.state_dict().items())
    assert bundle.card.fingerprint != fingerprint(bundle_of(tmp_path / "bundle", str(models)))


def lora_file(folder: Path, models: Path) -> tuple[Path, torch.Tensor]:
    """A LoRA on one layer, as trainers write it; and the change it makes at full strength."""
    weight = load_file(models / "unet" / "diffusion_pytorch_model.safetensors")[f"{LORA_LAYER}.weight"]
    generator = torch.Generator().manual_seed(0)
    down = torch.randn(2, weight.shape[1], generator=generator)
    up = torch.randn(weight.shape[0], 2, generator=generator)
    name = "lora_unet_" + LORA_LAYER.replace(".", "_")
    tensors = {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": torch.tensor(1.0)}
    save_file(tensors, folder / "style.safetensors")
    return folder / "style.safetensors", up @ down * 0.5


def test_a_lora_is_merged_at_its_strength_and_belongs_to_the_digest(models: Path, tmp_path: Path) -> None:
    plain = load(bundle_of(tmp_path / "bundle", str(models)), "cpu")
    file, change = lora_file(tmp_path, models)
    lora = Lora(file="../style.safetensors", licence="Apache-2.0", strength=0.6, sha256=hash_file(file))
    merged = load(bundle_of(tmp_path / "bundle", str(models), loras=(lora,)), "cpu")
    before, after = (bundle.unet.get_submodule(LORA_LAYER).weight for bundle in (plain, merged))
    assert torch.allclose(after - before, 0.6 * change, atol=1e-5)
    other = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    assert torch.equal(plain.unet.get_submodule(other).weight, merged.unet.get_submodule(other).weight)
    assert merged.card.fingerprint != plain.card.fingerprint
    assert not any("lora" in name for name, _ in merged.unet.named_modules())


def test_another_file_than_the_cards_lora_is_refused(models: Path, tmp_path: Path) -> None:
    lora_file(tmp_path, models)
    lora = Lora(file="../style.safetensors", licence="Apache-2.0", sha256="0" * 64)
    with pytest.raises(BundleError, match="is not the LoRA whose sha256 the card has"):
        load(bundle_of(tmp_path / "bundle", str(models), loras=(lora,)), "cpu")


def test_a_lora_that_nothing_pins_is_refused(tmp_path: Path, miniature: Path) -> None:
    card = replace(read_card(miniature), loras=(Lora(file="style.safetensors", licence="Apache-2.0"),))
    write_card(tmp_path, card)
    with pytest.raises(BundleError, match="needs a repository and revision, or the file's sha256"):
        read_card(tmp_path)


def test_a_role_without_an_adapter_is_off_and_an_unknown_one_too(miniature: Path, tmp_path: Path) -> None:
    card = read_card(miniature)
    adapters = {**card.adapters, "pose": "ip_adapter/pose.safetensors"}
    del adapters["product"]
    write_card(tmp_path, replace(card, adapters=adapters))
    assert read_card(tmp_path).roles == ("face", "environment")


def test_a_card_with_every_table_is_read_back_as_written(tmp_path: Path) -> None:
    lora = Lora(file="l.safetensors", licence="MIT", repository="someone/lora", revision="1" * 40, strength=0.5)
    card = BundleCard(
        name="all",
        family="sdxl",
        licence="MIT",
        commercial=True,
        width=1024,
        height=1024,
        variant="fp16",
        adapters={"face": "f.safetensors"},
        scheduler={"class": "EulerDiscreteScheduler", "use_karras_sigmas": True},
        loras=(lora, replace(lora, strength=1.0)),
        inpaint={"hint": "blank"},
        upscaler={"file": "net.safetensors", "sha256": "4" * 64, "licence": "MIT"},
        source={"base": "../base", "adapters": "someone/else", "adapters_revision": "2" * 40},
        source_sha256={"base/unet/config.json": "3" * 64},
    )
    write_card(tmp_path, card)
    assert read_card(tmp_path) == card
    assert card.local_parts == ("base",)
