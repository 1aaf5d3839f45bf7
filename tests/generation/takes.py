"""Shots and takes to feed the stages with, and an autoencoder whose pictures can be seen."""

from __future__ import annotations

from dataclasses import replace

import torch
from diffusers import AutoencoderTiny
from PIL import Image
from torch import nn

from brief.face_spec import FaceSpec
from brief.recipe import take
from brief.types import Environment, Framing, ImageRef, Persona, Product, Shot
from generation.bundle.load import Bundle
from generation.scene.material import Material
from tests.generation.conftest import picture

ADA = Persona("ada", FaceSpec(hair_colour="pink", skin_tone=4), seed=3)


def shot(number: int = 0, **changes: object) -> Shot:
    """Shot ``number`` of a small campaign, its framing and seed by its number."""
    framing = tuple(Framing)[number % 4]
    made = Shot(
        key=f"shot{number}",
        campaign="spring",
        product=Product(f"SKU-{number}", "red bottle", "bottle", ImageRef("packshot", "0" * 64)),
        environment=Environment("beach", "on a beach", ImageRef("photo", "1" * 64)),
        persona=ADA if framing.has_person else None,
        portrait_key="portrait" if framing.has_person else None,
        framing=framing,
        variant=0,
        prompt=f"a red bottle number {number}, on a beach",
        negative="",
        seed=11 + number,
        width=64,
        height=64,
        recipe="standard",
        thresholds={},
        max_takes=2,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def inputs(
    packshot: Image.Image,
    number: int = 0,
    attempt: int = 1,
    changes: dict[str, float] | None = None,
    **shot_changes: object,
) -> Material:
    """A take of shot ``number`` with its images."""
    wanted = shot(number, **shot_changes)
    return Material(
        shot=wanted,
        take=take(wanted.key, wanted.seed, attempt, changes),
        packshot=packshot,
        photo=picture(number),
        portrait=picture(90, (64, 64)),
    )


def seeing(bundle: Bundle) -> Bundle:
    """``bundle`` with an autoencoder whose latents are the mean colours of 8 x 8 pixels: what is kept can be seen."""
    vae = AutoencoderTiny(
        encoder_block_out_channels=(4,) * 4,
        decoder_block_out_channels=(4,) * 4,
        num_encoder_blocks=(0,) * 4,
        num_decoder_blocks=(0,) * 4,
    )
    for module in vae.modules():
        if isinstance(module, nn.Conv2d):
            _carry_colours(module)
    return replace(bundle, vae=vae.eval().requires_grad_(False))


def _carry_colours(convolution: nn.Conv2d) -> None:
    """Pass the first three channels on; where the edge is halved, as means of 2 x 2 pixels."""
    with torch.no_grad():
        convolution.weight.zero_()
        if convolution.bias is not None:
            convolution.bias.zero_()
        for channel in range(3):
            if convolution.stride == (2, 2):
                convolution.weight[channel, channel, 1:, 1:] = 0.25
            else:
                convolution.weight[channel, channel, 1, 1] = 1
