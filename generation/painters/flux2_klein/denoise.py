"""The denoising loop: a batch whose pictures have their own words, references, seeds and parts that stay.

diffusers' pipelines give all pictures of a call the same references, and the inpainting one keeps a part to the end or
not at all. Here each row has its own, and a change map puts parts of a picture back for a share of the steps, as in
:mod:`generation.painters.stable_diffusion.denoise`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu
from torch import Tensor

from generation.painters.flux2_klein.load import Klein

_EPSILON = 1e-6
"""Shares of the steps that differ by less are equal."""
_REFERENCE_TIME = 10
"""How far apart references lie on the axis of time, the picture at 0 (Flux2KleinPipeline)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture to denoise; all latents are normalised, [channels, h, w] with one position per token.

    Attributes:
        latent: (h, w) of the picture.
        text: [length, width].
        references: latents of the pictures it is shown, of any sizes.
        start_from: what is put back, or ``None``.
        keep: [h, w], share of the steps for which each position of ``start_from`` is put back; 1 is to the end.
    """

    latent: tuple[int, int]
    text: Tensor
    references: tuple[Tensor, ...]
    seed: int
    steps: int
    start_from: Tensor | None = None
    keep: Tensor | None = None

    def __post_init__(self) -> None:
        if (self.start_from is None) != (self.keep is None):
            raise ValueError("what is kept needs both a picture and a change map")

    @property
    def start(self) -> int:
        """Steps at the beginning that put everything back, and so need not be run."""
        return 0 if self.keep is None else min(self.steps, math.floor(float(self.keep.min()) * self.steps + _EPSILON))

    @property
    def group(self) -> tuple[Any, ...]:
        """Samples with equal groups can share a batch."""
        return (self.latent, self.steps, self.start, *(tuple(reference.shape) for reference in self.references))


@torch.inference_mode()
def denoise(klein: Klein, samples: Sequence[Sample]) -> Tensor:
    """Run ``samples``, which must be of one group.

    Returns:
        Normalised latents [n, channels, h, w], float32. Row i depends on sample i alone, up to rounding.

    Raises:
        ValueError: no samples, or of different groups.
    """
    if len({sample.group for sample in samples}) != 1:
        raise ValueError("a batch needs one size, one number of steps, one start and references of the same sizes")
    first, channels = samples[0], klein.transformer.config.in_channels
    scheduler = _scheduled(klein, first)
    noise = torch.stack([_noise(channels, sample) for sample in samples]).to(klein.device)
    kept = _Kept.of(samples, noise)
    if first.start == first.steps:
        return kept.picture
    latents = kept.put_back(noise, float(scheduler.sigmas[first.start]), _EPSILON)
    shown = _Shown.of(klein, samples)
    for index in range(first.start, first.steps):
        timestep = scheduler.timesteps[index]
        klein.counts.unet_forwards += 1
        velocity = shown.predict(klein, latents, timestep)
        latents = scheduler.step(velocity, timestep, latents, return_dict=False)[0]
        latents = kept.put_back(latents, float(scheduler.sigmas[index + 1]), (index + 1) / first.steps - _EPSILON)
    return latents


def _scheduled(klein: Klein, first: Sample) -> FlowMatchEulerDiscreteScheduler:
    """A scheduler of its own for the run, its sigmas shifted by the picture's size as the pipelines shift them."""
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(klein.scheduler.config)
    sigmas = np.linspace(1.0, 1 / first.steps, first.steps)
    mu = compute_empirical_mu(image_seq_len=math.prod(first.latent), num_steps=first.steps)
    scheduler.set_timesteps(first.steps, device=klein.device, sigmas=sigmas, mu=mu)
    scheduler.set_begin_index(first.start)
    return scheduler


def _noise(channels: int, sample: Sample) -> Tensor:
    """Drawn on the CPU in float32 by the sample's own generator: the same on every device and in every batch."""
    return torch.randn(channels, *sample.latent, generator=torch.Generator("cpu").manual_seed(sample.seed))


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is put back: ``picture`` and ``noise`` [n, c, h, w], ``share`` [n, 1, h, w] of the steps."""

    picture: Tensor
    noise: Tensor
    share: Tensor

    @classmethod
    def of(cls, samples: Sequence[Sample], noise: Tensor) -> _Kept:
        empty = torch.zeros_like(noise[0])
        pictures = [empty if sample.start_from is None else sample.start_from.to(noise) for sample in samples]
        share = [empty[0] if sample.keep is None else sample.keep.to(noise) for sample in samples]
        return cls(torch.stack(pictures), noise, torch.stack(share)[:, None])

    def put_back(self, latents: Tensor, sigma: float, least: float) -> Tensor:
        """``latents`` with the picture, noised for ``sigma``, wherever it is kept for at least ``least``."""
        if float(self.share.max()) < least:
            return latents
        noised = sigma * self.noise + (1 - sigma) * self.picture
        return torch.where(self.share >= least, noised, latents)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the transformer reads besides the latents: words, references, and where everything lies."""

    text: Tensor
    references: Tensor
    text_places: Tensor
    places: Tensor

    @classmethod
    def of(cls, klein: Klein, samples: Sequence[Sample]) -> _Shown:
        count, first = len(samples), samples[0]
        text = torch.stack([sample.text for sample in samples]).to(klein.device, klein.dtype)
        shapes = [first.latent, *(reference.shape[1:] for reference in first.references)]
        places = torch.cat([_places(number * _REFERENCE_TIME, *shape) for number, shape in enumerate(shapes)])
        words = torch.zeros(text.shape[1], 4, dtype=torch.int64)
        words[:, 3] = torch.arange(text.shape[1])
        tokens = [torch.stack(part).flatten(2).mT for part in zip(*(s.references for s in samples), strict=True)]
        empty = torch.zeros(count, 0, klein.transformer.config.in_channels)
        return cls(
            text=text,
            references=torch.cat([part.to(klein.device, klein.dtype) for part in (empty, *tokens)], dim=1),
            text_places=words.to(klein.device).expand(count, -1, -1),
            places=places.to(klein.device).expand(count, -1, -1),
        )

    def predict(self, klein: Klein, latents: Tensor, timestep: Tensor) -> Tensor:
        """The transformer's velocity [n, c, h, w], float32."""
        picture = latents.flatten(2).mT.to(klein.dtype)
        output: Tensor = klein.transformer(
            hidden_states=torch.cat([picture, self.references], dim=1),
            timestep=timestep.expand(len(latents)).to(klein.dtype) / 1000,
            guidance=None,
            encoder_hidden_states=self.text,
            txt_ids=self.text_places,
            img_ids=self.places,
            return_dict=False,
        )[0]
        return output[:, : picture.shape[1]].float().mT.reshape(latents.shape)


def _places(time: int, height: int, width: int) -> Tensor:
    """[height * width, 4]: time, row, column and 0 of each token, row by row."""
    axes = (torch.tensor([time]), torch.arange(height), torch.arange(width), torch.zeros(1, dtype=torch.int64))
    return torch.cartesian_prod(*axes)
