"""Between pictures and latents: the bundle's autoencoder, whichever class and scale it has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from generation.bundle.load import Bundle


def to_tensor(images: Sequence[Image.Image]) -> Tensor:
    """RGB images of one size as float32 [n, 3, height, width] in 0 to 1."""
    arrays = np.stack([np.asarray(image.convert("RGB"), dtype=np.float32) for image in images])
    return torch.from_numpy(arrays).permute(0, 3, 1, 2) / 255


def to_images(pixels: Tensor) -> list[Image.Image]:
    """[n, 3, height, width] in 0 to 1 (values outside are clipped) as RGB images."""
    rounded = (pixels.float().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(array) for array in rounded]


@torch.inference_mode()
def encode_images(bundle: Bundle, images: Sequence[Image.Image]) -> Tensor:
    """Images of one size as scaled latents [n, channels, height / f, width / f], float32 (the mode, so repeatable)."""
    return encode_pixels(bundle, to_tensor(images))


@torch.inference_mode()
def encode_pixels(bundle: Bundle, pixels: Tensor) -> Tensor:
    """Pixels [n, 3, height, width] in 0 to 1 as scaled latents, like :func:`encode_images`."""
    vae = bundle.vae
    encoded = vae.encode((pixels * 2 - 1).to(bundle.device, vae.dtype))
    # AutoencoderTiny gives latents, AutoencoderKL a distribution.
    raw = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
    latents: Tensor = (raw - (vae.config.shift_factor or 0.0)) * vae.config.scaling_factor
    return latents.float()


@torch.inference_mode()
def decode_latents(bundle: Bundle, latents: Tensor) -> Tensor:
    """Scaled latents as pixels, float32 [n, 3, height, width] in 0 to 1."""
    vae = bundle.vae
    raw = latents.to(vae.dtype) / vae.config.scaling_factor + (vae.config.shift_factor or 0.0)
    pixels: Tensor = vae.decode(raw, return_dict=False)[0].float() / 2 + 0.5
    return pixels.clamp(0, 1)
