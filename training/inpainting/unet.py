"""The UNet that completes collages, made from the UNet that draws whole pictures from words."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

_TOP = 48
_NEW = ("conv_in", "conv_out")
"""Layers that face the latents, which are others."""


@torch.no_grad()
def make_inpainting_unet(source: UNet2DConditionModel, channels: int) -> UNet2DConditionModel:
    """A UNet for [noisy latents, mask, hint], 2 * ``channels`` + 1 in all, with one more level of twice the size above
    those of ``source``, from which every weight is taken that fits.

    Its last layer is zero: what it predicts is a change to the hint, and before it has learnt anything it leaves the
    hint as it is.
    """
    old = {name: value for name, value in source.config.items() if not name.startswith("_")}
    changes = {
        "sample_size": 2 * old["sample_size"],
        "in_channels": 2 * channels + 1,
        "out_channels": channels,
        "block_out_channels": (_TOP, *old["block_out_channels"]),
        "down_block_types": ("DownBlock2D", *old["down_block_types"]),
        "up_block_types": (*old["up_block_types"], "UpBlock2D"),
        "attention_head_dim": (2, *old["attention_head_dim"]),
        "encoder_hid_dim_type": None,
    }
    unet = UNet2DConditionModel(**{**old, **changes})
    have, kept = source.state_dict(), unet.state_dict()
    for name, value in kept.items():
        before = have.get(_one_level_up(name))
        if before is not None and before.shape == value.shape and not name.startswith(_NEW):
            value.copy_(before)
    kept["conv_out.weight"].zero_()
    kept["conv_out.bias"].zero_()
    unet.load_state_dict(kept)
    return unet


def _one_level_up(name: str) -> str:
    """The name that a weight had before there was a level above its own. Levels of ``up_blocks`` count from below."""
    kind, _, rest = name.partition(".")
    if kind != "down_blocks":
        return name
    level, _, rest = rest.partition(".")
    return f"{kind}.{int(level) - 1}.{rest}"


def completed(unet: Any, noised: Tensor, times: Tensor, tokens: Tensor, told: Any) -> Tensor:
    """The clean latents that ``unet`` predicts for a batch: its hint, changed. ``told`` is a
    :class:`training.inpainting.batches.Batch`; ``tokens`` are its words'."""
    shown = torch.cat([noised, told.mask, told.hint], 1).contiguous(memory_format=torch.channels_last)
    change = unet(
        shown,
        times,
        tokens,
        added_cond_kwargs={"image_embeds": told.images},
        cross_attention_kwargs={"ip_adapter_masks": list(told.roles[:, :, None].unbind(1))},
        return_dict=False,
    )[0]
    found: Tensor = told.hint + change.float()
    return found
