"""Between pictures and latents: the bundle's autoencoder, whichever class and scale it has."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from generation.bundle.load import Bundle
from generation.bundle.memory import on_device
from generation.painters.pixels import NotFinite, to_tensor

_LOG = logging.getLogger(__name__)


@torch.inference_mode()
def encode_images(bundle: Bundle, images: Sequence[Image.Image]) -> Tensor:
    """Images of one size as scaled latents [n, channels, height / f, width / f], float32 (the mode, so repeatable)."""
    return encode_pixels(bundle, to_tensor(images))


@torch.inference_mode()
def encode_pixels(bundle: Bundle, pixels: Tensor) -> Tensor:
    """Pixels [n, 3, height, width] in 0 to 1 as scaled latents, like :func:`encode_images`."""
    vae = bundle.vae
    with on_device(vae, bundle.device, bundle.plan.autoencoder_away):
        encoded = vae.encode((pixels * 2 - 1).to(bundle.device, vae.dtype))
    # AutoencoderTiny gives latents, AutoencoderKL a distribution.
    raw = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
    latents: Tensor = (raw - (vae.config.shift_factor or 0.0)) * vae.config.scaling_factor
    return latents.float()


@torch.inference_mode()
def decode_latents(bundle: Bundle, latents: Tensor) -> Tensor:
    """Scaled latents as pixels, float32 [n, 3, height, width] in 0 to 1.

    One picture at a time: decoding takes more memory than anything else, and a batch brings it nothing. Where half
    precision overflows (SDXL's own autoencoder), the autoencoder goes on in full precision.

    Raises:
        NotFinite: a picture has values that are no numbers, even so.
    """
    if not bool(torch.isfinite(latents).all()):
        raise NotFinite("the models drew values that are no numbers; use another seed, or full precision")
    vae = bundle.vae
    with on_device(vae, bundle.device, bundle.plan.autoencoder_away):
        pixels = _decode(vae, latents)
        if not bool(torch.isfinite(pixels).all()) and vae.dtype != torch.float32:
            _LOG.warning("bundle %s: its autoencoder overflows in %s; from now on float32", bundle.card.name, vae.dtype)
            vae.to(torch.float32)
            pixels = _decode(vae, latents)
    if not bool(torch.isfinite(pixels).all()):
        raise NotFinite("the autoencoder made pixels that are no numbers; the bundle needs another one (source.vae)")
    return pixels.clamp(0, 1)


def _decode(vae: Any, latents: Tensor) -> Tensor:
    shift = vae.config.shift_factor or 0.0
    raw = latents.to(vae.dtype) / vae.config.scaling_factor + shift
    return torch.cat([vae.decode(one, return_dict=False)[0].float() / 2 + 0.5 for one in raw.split(1)])
