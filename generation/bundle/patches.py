"""An autoencoder without weights to learn: patches of pixels in another basis, so nothing is lost on the way.

A convolutional autoencoder of a size that a CPU trains keeps 63 % of a drawn person's fine detail, and what is shifted
by a pixel gets other latents. A change of basis keeps all of it, and a model that copies latents copies pixels.
"""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTinyOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor
from torch.nn import functional

_FLATTENING = 0.6
"""Power of a component's spread by which it is divided: 1 would make fine detail as loud as brightness, 0 leave it as
quiet as it is in pixels, where diffusion would learn it last."""


class PatchAutoencoder(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Pictures in -1 to 1 [n, 3, h, w] to latents [n, 3 * patch**2, h / patch, w / patch] and back, exactly.

    Each patch is told by its principal components (fitted to pictures by :func:`fit_patches`), scaled so that fine
    detail is louder than in pixels.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        patch: int = 4,
        latent_channels: int = 48,
        block_out_channels: tuple[int, ...] = (3, 12, 48),
        scaling_factor: float = 1.0,
        shift_factor: float = 0.0,
    ) -> None:
        super().__init__()
        if latent_channels != 3 * patch**2:
            raise ValueError(f"patches of {patch} x {patch} pixels have {3 * patch**2} numbers, not {latent_channels}")
        self.patch = patch
        self.register_buffer("mean", torch.zeros(latent_channels))
        self.register_buffer("basis", torch.eye(latent_channels))
        self.register_buffer("scale", torch.ones(latent_channels))

    def encode(self, pixels: Tensor) -> AutoencoderTinyOutput:
        """``latents`` of pictures."""
        flat = functional.pixel_unshuffle(pixels, self.patch) - self.mean.view(-1, 1, 1)
        kernel = (self.basis / self.scale[:, None])[:, :, None, None]
        return AutoencoderTinyOutput(functional.conv2d(flat, kernel))

    def decode(self, latents: Tensor, return_dict: bool = False) -> tuple[Tensor]:
        """Pictures of latents, as the only member of a tuple."""
        if return_dict:
            raise ValueError("only return_dict=False is known here")
        kernel = (self.basis * self.scale[:, None]).T[:, :, None, None]
        flat = functional.conv2d(latents, kernel) + self.mean.view(-1, 1, 1)
        return (functional.pixel_shuffle(flat, self.patch),)


@torch.no_grad()
def fit_patches(pixels: Tensor, patch: int = 4) -> PatchAutoencoder:
    """A :class:`PatchAutoencoder` with the principal components of ``pixels`` [n, 3, h, w] in -1 to 1."""
    width = 3 * patch**2
    flat = functional.pixel_unshuffle(pixels, patch).permute(0, 2, 3, 1).reshape(-1, width)
    mean = flat.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((flat - mean).T))
    spread = values.flip(0).clamp(min=1e-8).sqrt()
    found: PatchAutoencoder = PatchAutoencoder(patch=patch, latent_channels=width)
    found.mean.copy_(mean)
    found.basis.copy_(vectors.T.flip(0))
    found.scale.copy_(spread**_FLATTENING * spread[0] ** (1 - _FLATTENING))
    found.requires_grad_(False)
    return found
