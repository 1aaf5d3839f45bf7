"""What the adapters' training exports is what stock diffusers loads, and it acts in its own region only."""

from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from generation.bundle.card import ROLES
from training.adapter_files import attach, from_files, make_adapters, to_files
from training.sizes import TINY
from training.text2image import make_unet


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return make_unet(TINY).requires_grad_(False)


@pytest.fixture(scope="module")
def adapters(unet: UNet2DConditionModel) -> nn.ModuleDict:
    made: nn.ModuleDict = make_adapters(unet, TINY).requires_grad_(False)
    for weight in made.parameters():
        weight.normal_(0, 0.1)
    # What is compared went through half precision, as in a bundle.
    from_files(made, to_files(made))
    return made


def _copy(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    twin = make_unet(TINY).requires_grad_(False)
    twin.load_state_dict(unet.state_dict())
    return twin


def _run(unet: UNet2DConditionModel, images: list[Tensor], masks: list[Tensor]) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(1, TINY.latent_channels, TINY.latent_edge, TINY.latent_edge, generator=generator)
    words = torch.randn(1, 7, TINY.words, generator=generator)
    options = {
        "added_cond_kwargs": {"image_embeds": images},
        "cross_attention_kwargs": {"ip_adapter_masks": masks},
    }
    found: Tensor = unet(noise, torch.tensor([500]), words, return_dict=False, **options)[0]
    return found


def _images(seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(1, 1, 9, TINY.vision, generator=generator) for _ in ROLES]


def _masks(value: float) -> list[Tensor]:
    return [torch.full((1, 1, TINY.latent_edge, TINY.latent_edge), value) for _ in ROLES]


def _nested(tensors: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """A file's tensors as diffusers splits them before it loads them."""
    parts: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for key, value in tensors.items():
        part, name = key.split(".", 1)
        parts[part][name] = value.float()
    return parts


def test_files_load_into_stock_diffusers_and_do_the_same(unet: UNet2DConditionModel, adapters: nn.ModuleDict) -> None:
    ours, stock = _copy(unet), _copy(unet)
    attach(ours, adapters)
    nested = [_nested(tensors) for tensors in to_files(adapters).values()]
    stock._load_ip_adapter_weights(nested)
    torch.testing.assert_close(_run(ours, _images(2), _masks(0.7)), _run(stock, _images(2), _masks(0.7)))


def test_a_role_without_region_changes_nothing(unet: UNet2DConditionModel, adapters: nn.ModuleDict) -> None:
    ours = _copy(unet)
    attach(ours, adapters)
    torch.testing.assert_close(_run(ours, _images(2), _masks(0.0)), _run(ours, _images(3), _masks(0.0)))
    assert not torch.allclose(_run(ours, _images(2), _masks(1.0)), _run(ours, _images(3), _masks(1.0)))
