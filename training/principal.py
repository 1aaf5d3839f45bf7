"""Principal components of 8x8 patches: the best linear latents, which the autoencoder starts from.

A small autoencoder finds them by itself only after many minutes; told them, its decoder learns from the first step,
and its latents stay as smooth as the picture, which makes them easier to denoise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_SPREAD = 0.35
"""Power of a component's own deviation that is kept: 0 makes all channels equally loud, 1 keeps the picture's own."""


@dataclass(frozen=True, slots=True)
class Components:
    """Linear map from patches of ``edge`` pixels to latent channels, zero mean, mean variance 1 over channels."""

    edge: int
    mean: Tensor
    basis: Tensor

    def to(self, device: torch.device) -> Components:
        return Components(self.edge, self.mean.to(device), self.basis.to(device))

    def latents(self, pixels: Tensor) -> Tensor:
        """[n, 3, h, w] in -1 to 1 as [n, channels, h / edge, w / edge]."""
        count, _, height, width = pixels.shape
        patches = functional.unfold(pixels, self.edge, stride=self.edge).transpose(1, 2)
        found = (patches - self.mean) @ self.basis
        return found.transpose(1, 2).reshape(count, -1, height // self.edge, width // self.edge)


def find_components(pixels: Tensor, channels: int, edge: int = 8) -> Components:
    """The leading components of the patches of ``pixels`` [n, 3, h, w]."""
    patches = functional.unfold(pixels, edge, stride=edge).transpose(1, 2).reshape(-1, 3 * edge * edge)
    mean = patches.mean(0)
    centred = patches - mean
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    deviation = values.flip(0)[:channels].clamp(min=1e-8).sqrt()
    wanted = deviation**_SPREAD
    wanted = wanted / wanted.pow(2).mean().sqrt()
    return Components(edge, mean, vectors.flip(1)[:, :channels] * (wanted / deviation))
