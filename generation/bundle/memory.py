"""What a card's memory is spent on: which models stay on it, how many pictures fit, whether decoding is tiled.

Weights are counted, activations estimated. The estimates are upper bounds of what was counted on the meta device with
three adapters and fused attention: 0.13 GiB a picture for Stable Diffusion 1.5 at 512 x 512, 0.31 GiB for SDXL at 1024
x 1024, both in half precision, and 1.5 GiB to decode one of the latter. They have not been measured on a GPU.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from generation.bundle.card import BundleCard

_LOG = logging.getLogger(__name__)

GIB = 2**30
MOST = 16
"""Pictures; a larger batch brings no more."""
ENOUGH = 4
"""Pictures; for fewer than this, models leave the card."""

UNET_VALUES_PER_PIXEL = 320
"""Numbers that a denoiser with cross-attention holds at once, per pixel of a picture."""
_DECODE_VALUES_PER_PIXEL = 800
_TILE = 512 * 512
_CONTEXT = 0.6 * GIB
_USABLE = 0.92


@dataclass(frozen=True, slots=True)
class Weights:
    """Bytes of what a bundle holds: ``denoiser`` with its adapters, ``autoencoder``, text and image ``encoders``."""

    denoiser: int
    autoencoder: int
    encoders: int


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """How a bundle lives on its device.

    Attributes:
        batch: most pictures of the bundle's own size at once.
        encoders_away: encoders lie in main memory and come for each run; what they say is cached.
        autoencoder_away: so does the autoencoder.
        denoiser_streamed: the denoiser's layers come one after the other, which costs much time and little memory.
        tiled: pictures are encoded and decoded in tiles, because one does not fit whole.
    """

    batch: int = MOST
    encoders_away: bool = False
    autoencoder_away: bool = False
    denoiser_streamed: bool = False
    tiled: bool = False


_AWAY = ((False, False, False), (True, False, False), (True, True, False), (True, True, True))
"""In which order encoders and autoencoder leave the card, and the denoiser is streamed."""


def plan_memory(
    total: int,
    weights: Weights,
    pixels: int,
    *,
    bytes_per_value: int = 2,
    decode_bytes_per_value: int = 2,
    values_per_pixel: int = UNET_VALUES_PER_PIXEL,
) -> MemoryPlan:
    """The plan that keeps most on the card and still draws :data:`ENOUGH` pictures at once, or as many as can be.

    Args:
        total: bytes of the card that are free before anything is loaded.
        pixels: of one picture.
        bytes_per_value: of the denoiser's numbers; ``decode_bytes_per_value`` of the autoencoder's (4 where it must
            run in full precision).
        values_per_pixel: that the denoiser holds at once.
    """
    room = total * _USABLE - _CONTEXT
    draw = pixels * values_per_pixel * bytes_per_value
    decode = pixels * _DECODE_VALUES_PER_PIXEL * decode_bytes_per_value
    decode_tile = min(pixels, _TILE) * _DECODE_VALUES_PER_PIXEL * decode_bytes_per_value
    best = MemoryPlan(batch=0)
    for encoders_away, autoencoder_away, streamed in _AWAY:
        free = room - (0 if streamed else weights.denoiser)
        free -= 0 if encoders_away else weights.encoders
        free -= 0 if autoencoder_away else weights.autoencoder
        # Of what is away, one part at a time comes beside what stays.
        visiting = weights.autoencoder if autoencoder_away else 0
        tiled = decode + visiting > free
        fits = free >= (decode_tile if tiled else decode) + visiting
        batch = min(MOST, int(free // draw)) if fits and (not encoders_away or weights.encoders <= free) else 0
        plan = MemoryPlan(max(batch, 0), encoders_away, autoencoder_away, streamed, tiled)
        if batch >= ENOUGH and not (tiled and not streamed):
            return plan
        best = max(best, plan, key=lambda each: each.batch)
    return best if best.batch else MemoryPlan(1, True, True, True, True)


def memory_plan_for(
    device: torch.device,
    weights: Weights | None,
    card: BundleCard,
    decode_bytes: int,
    values_per_pixel: int = UNET_VALUES_PER_PIXEL,
) -> MemoryPlan:
    """The plan for ``device``: all stays, unless it is a card whose memory is short."""
    if device.type != "cuda" or weights is None:
        return MemoryPlan()
    free, _ = torch.cuda.mem_get_info(device)
    plan = plan_memory(
        free,
        weights,
        card.width * card.height,
        decode_bytes_per_value=decode_bytes,
        values_per_pixel=values_per_pixel,
    )
    _LOG.info("bundle %s on %s with %.1f GiB free: %s", card.name, device, free / GIB, plan)
    return plan


@contextmanager
def on_device(module: Any, device: torch.device, away: bool) -> Iterator[None]:
    """``module`` on ``device`` for as long as it works, and in main memory again if it is to be ``away``."""
    if not away:
        yield
        return
    module.to(device)
    try:
        yield
    finally:
        module.to("cpu")


def count_bytes(modules: Iterable[Any]) -> int:
    """Bytes of all parameters and buffers of ``modules``."""
    return sum(
        tensor.numel() * tensor.element_size()
        for module in modules
        for tensor in (*module.parameters(), *module.buffers())
    )
