"""One sample to denoise: everything that may differ between the pictures of a batch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from generation.painters.stable_diffusion.encode_text import TextFeatures

EPSILON = 1e-6
"""Shares of the steps that differ by less are equal."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What a UNet is told that completes a picture: ``draw`` [h, w], 1 where it draws and 0 where it keeps, and
    ``hint`` [channels, h, w], scaled latents of what is there already."""

    draw: Tensor
    hint: Tensor

    @property
    def channels(self) -> Tensor:
        """[1 + channels, h, w], as they follow the noisy latents."""
        return torch.cat([self.draw[None].to(self.hint), self.hint])


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture to denoise, of ``size`` (width, height) in pixels.

    Attributes:
        images, no_images: per role of the bundle what the adapter's projection takes, for the prompt and for "no
            image" (:func:`generation.painters.stable_diffusion.encode_image.adapter_inputs`).
        masks: per role [h, w] at latent resolution; a value is the adapter's strength there. Where roles overlap they
            add up, so regions should be a partition.
        guidance_until: share of the steps that use guidance.
        reference: scaled latents [channels, h, w] to put back, or ``None``.
        keep: [h, w], share of the steps for which each latent pixel of ``reference`` is put back; 1 is to the end.
        completion: for a UNet that completes pictures, else ``None``.
    """

    size: tuple[int, int]
    text: TextFeatures
    negative: TextFeatures
    images: Mapping[str, Tensor]
    no_images: Mapping[str, Tensor]
    masks: Mapping[str, Tensor]
    seed: int
    steps: int
    guidance: float
    guidance_until: float
    reference: Tensor | None = None
    keep: Tensor | None = None
    completion: Completion | None = None

    def __post_init__(self) -> None:
        if (self.reference is None) != (self.keep is None):
            raise ValueError("what is kept needs both a reference and a change map")

    @property
    def start(self) -> int:
        """Steps at the beginning that put everything back, and so need not be run."""
        if self.keep is None:
            return 0
        return min(self.steps, math.floor(float(self.keep.min()) * self.steps + EPSILON))

    def guided_at(self, step: int) -> bool:
        """Whether guidance applies at ``step``, counted from 0."""
        return self.guidance != 1 and step < self.guidance_until * self.steps

    @property
    def group(self) -> tuple[Any, ...]:
        """Samples with equal groups can share a batch."""
        return (self.size, self.steps, self.start)
