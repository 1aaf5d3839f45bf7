"""Bundles on checkpoints in the published layout: every file, configuration, key and shape, with few channels."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from generation.bundle import hub
from generation.bundle.card import BundleError, read_card, write_card
from generation.bundle.load import Bundle, load
from generation.studio import Studio
from tests.generation.takes import ADA, inputs
from tests.published.bundles import BUNDLES, BY_REPOSITORY, FAMILIES, STABLE_DIFFUSION, local
from tests.published.checkpoints import TABLES, shapes, table, write
from tests.published.layouts import LAYOUTS, SIGLIP2
from tests.published.single_file import same, write_single_file

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all published layouts, narrow."""
    folder = tmp_path_factory.mktemp("published")
    for name in LAYOUTS:
        write(folder / name, name)
    return folder


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, repositories: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle that ships, with the published layouts as its source."""
    folder = tmp_path_factory.mktemp(request.param)
    write_card(folder, local(read_card(BUNDLES / request.param), repositories))
    return folder


@pytest.fixture(scope="module", params=STABLE_DIFFUSION)
def published(request: pytest.FixtureRequest, repositories: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp(request.param)
    write_card(folder, local(read_card(BUNDLES / request.param), repositories))
    return load(folder, "cpu")


@pytest.mark.parametrize("name", LAYOUTS)
def test_todays_libraries_have_the_published_keys_and_shapes(name: str) -> None:
    assert table(shapes(LAYOUTS[name], full=True)) == (TABLES / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", [name for name, layout in LAYOUTS.items() if layout.sizes])
def test_the_shapes_come_to_the_published_sizes(name: str) -> None:
    """Beside the header; all but SigLIP in half precision."""
    layout, found = LAYOUTS[name], shapes(LAYOUTS[name], full=True)
    for file, size in layout.sizes.items():
        header = size - sum((4 if layout is SIGLIP2 else 2) * math.prod(shape) for shape in found[file].values())
        assert 50 * len(found[file]) < header < 200 * len(found[file])


@pytest.mark.parametrize("name", [*STABLE_DIFFUSION, "sd15-draft", "sdxl-draft"])
def test_what_is_fetched_is_what_is_loaded_and_nothing_else(name: str) -> None:
    card = read_card(BUNDLES / name)
    for part in {"base", "vae", "adapters", "words", "safety"} & set(card.source):
        layout = LAYOUTS[BY_REPOSITORY[card.source[part]]]
        assert card.source[f"{part}_revision"] == layout.revision
        fetched = {file for file in layout.files if hub.is_wanted(file, hub.wanted_files(card, part))}
        weights = {file for file in fetched if not file.endswith((".json", ".txt"))}
        assert weights == {file for file in weights if file.endswith(".safetensors")}
        if part == "base":
            assert {Path(file).parent.name for file in weights} == {
                folder
                for folder in ("unet", "vae", "text_encoder", "text_encoder_2")
                if f"{folder}/config.json" in layout.files
            }
            assert all(fnmatch(file, "*.fp16.safetensors") for file in weights)
        else:
            assert len(weights) == {"vae": 1, "adapters": 4, "words": 1, "safety": 1}[part]


def test_every_tensor_of_the_files_is_loaded(published: Bundle, repositories: Path) -> None:
    card = published.card
    base, adapters = Path(card.source["base"]), Path(card.source["adapters"])
    modules = {"unet": published.unet, "text_encoder": published.text_encoders[0]}
    modules |= {"text_encoder_2": published.text_encoders[1]} if card.family == "sdxl" else {"vae": published.vae}
    for part, module in modules.items():
        (file,) = (base / part).glob("*model.fp16.safetensors")
        assert_loaded(load_file(file), module)
    if "vae" in card.source:
        assert_loaded(load_file(Path(card.source["vae"]) / "diffusion_pytorch_model.safetensors"), published.vae)
    assert_loaded(load_file(adapters / "models/image_encoder/model.safetensors"), published.image_encoder)
    layers = published.projections.image_projection_layers
    for role, layer in zip(card.roles, layers, strict=True):
        wanted = load_file(adapters / card.adapters[role])
        assert_values({k: v for k, v in wanted.items() if k.startswith("image_proj.")}, layer.state_dict())
        index = card.roles.index(role)
        attention = {k: v for k, v in published.unet.state_dict().items() if f"_ip.{index}.weight" in k}
        assert_values({k: v for k, v in wanted.items() if k.startswith("ip_adapter.")}, attention)


def assert_loaded(file: dict[str, torch.Tensor], module: torch.nn.Module) -> None:
    """Every tensor of ``file`` is in ``module``, bit for bit, and every weight of ``module`` but the adapters' own."""
    own = {key: value for key, value in module.state_dict().items() if "_ip." not in key and "position_ids" not in key}
    assert_values({key: value for key, value in file.items() if "position_ids" not in key}, own)


def assert_values(wanted: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> None:
    """Both hold the same tensors, whatever their names. diffusers holds a resampler's keys and values apart."""
    parts = [part for key, value in wanted.items() for part in (value.chunk(2) if "to_kv" in key else [value])]
    assert parts
    assert sorted(map(_content, parts)) == sorted(map(_content, found.values()))


def _content(tensor: torch.Tensor) -> tuple[tuple[int, ...], str]:
    return tuple(tensor.shape), hashlib.sha256(tensor.float().contiguous().numpy().tobytes()).hexdigest()


def test_the_models_are_what_the_configurations_say(published: Bundle) -> None:
    name = published.card.name
    assert published.unet.config.in_channels == (9 if "inpaint" in name else 4)
    assert type(published.scheduler).__name__ == "DPMSolverMultistepScheduler"
    assert published.scheduler.config.steps_offset == 1
    assert not published.vae.config.force_upcast or published.card.family == "sd15"
    assert [tokenizer.pad_token for tokenizer in published.tokenizers] == ["<|endoftext|>", "!"][
        : len(published.tokenizers)
    ]
    assert published.tokenizers[0]("a").input_ids[0] == 49406
    assert published.zero_negative == (published.card.family == "sdxl")


def test_every_stage_makes_pictures(folder: Path, packshot: Image.Image) -> None:
    studio = Studio.open(folder, "cpu")
    (portrait,) = studio.faces({"ada": ADA})
    (composed,) = studio.compose([inputs(packshot)])
    (refined,) = studio.refine([replace(inputs(packshot), picture=composed.image)])
    (scored,) = studio.score([replace(inputs(packshot), picture=refined.image)])
    assert [made.error for made in (portrait, composed, refined, scored)] == [None] * 4
    assert scored.measured is not None
    assert "prompt" in scored.measured.values
    assert ("safety" in scored.measured.values) == ("safety" in studio.card.source)


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_a_checkpoint_in_one_file_is_the_same_models(name: str, repositories: Path, tmp_path: Path) -> None:
    card = replace(local(read_card(BUNDLES / name), repositories), variant="")
    card = replace(card, source={part: where for part, where in card.source.items() if part != "vae"})
    parts = tmp_path / "parts"
    parts.mkdir()
    write_card(parts, card)
    in_parts = load(parts, "cpu")
    whole = tmp_path / "whole"
    whole.mkdir()
    write_single_file(repositories / name, whole / "mine.safetensors")
    write_card(whole, replace(card, source={**card.source, "base": "mine.safetensors", "config": card.source["base"]}))
    in_one = load(whole, "cpu")
    assert same(in_one.unet, in_parts.unet)
    assert same(in_one.vae, in_parts.vae)
    for ours, theirs in zip(in_one.text_encoders, in_parts.text_encoders, strict=True):
        assert same(ours, theirs)
    for ours, theirs in zip(in_one.tokenizers, in_parts.tokenizers, strict=True):
        assert ours("a mug").input_ids == theirs("a mug").input_ids
    assert in_one.scheduler.config.steps_offset == 1
    assert "base/mine.safetensors" in in_one.card.source_sha256


def test_one_file_without_its_configurations_says_what_is_missing(repositories: Path, tmp_path: Path) -> None:
    card = local(read_card(BUNDLES / "sd15"), repositories)
    (tmp_path / "mine.safetensors").write_bytes(b"")
    write_card(tmp_path, replace(card, source={**card.source, "base": "mine.safetensors"}))
    with pytest.raises(BundleError, match="base is one file, which holds no tokenizer; name the repository or folder"):
        load(tmp_path, "cpu")
