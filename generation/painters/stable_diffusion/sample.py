"""One sample to denoise: everything that may differ between the pictures of a batch; and what the UNet is told of a
whole batch besides the latents, prepared once per run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from generation.bundle.load import Bundle
from generation.painters.stable_diffusion.encoders import TextFeatures, stack_texts

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
            image" (:func:`generation.painters.stable_diffusion.encoders.adapter_inputs`).
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


@dataclass(frozen=True, slots=True)
class Conditions:
    """A batch of n samples; every tensor has 2n rows, first without the prompt (for guidance), then with it.

    Attributes:
        tokens, token_mask: [2n, length, width], [2n, length] or ``None``.
        images: per role of the bundle, in its order, [2n, 1, tokens, width], projected.
        masks: likewise [2n, 1, h, w].
        added: SDXL's pooled texts and time ids, else empty.
        guidance: [n, 1, 1, 1].
        completions: [n, 1 + channels, h, w] for a UNet that completes pictures, else ``None``.
    """

    tokens: Tensor
    token_mask: Tensor | None
    images: list[Tensor]
    masks: list[Tensor]
    added: dict[str, Tensor]
    guidance: Tensor
    completions: Tensor | None

    def select(self, guided: Sequence[int], *, padded: bool = False) -> tuple[list[int], dict[str, Any]]:
        """The UNet's arguments for the rows in ``guided`` without prompt, then all rows with it.

        Args:
            padded: with the last row again, up to the next power of two.

        Returns:
            Which latents each of these rows takes, and the arguments.
        """
        count = len(self.guidance)
        latents = [*guided, *range(count)]
        rows = [*guided, *range(count, 2 * count)]
        missing = (1 << (len(rows) - 1).bit_length()) - len(rows) if padded else 0
        latents, rows = [*latents, *latents[-1:] * missing], [*rows, *rows[-1:] * missing]
        added: dict[str, Any] = {name: value[rows] for name, value in self.added.items()}
        options: dict[str, Any] = {
            "encoder_hidden_states": self.tokens[rows],
            "encoder_attention_mask": None if self.token_mask is None else self.token_mask[rows],
            "added_cond_kwargs": added,
        }
        if self.images:
            added["image_embeds"] = [image[rows] for image in self.images]
            options["cross_attention_kwargs"] = {"ip_adapter_masks": [mask[rows] for mask in self.masks]}
        return latents, options


def prepare(bundle: Bundle, samples: Sequence[Sample]) -> Conditions:
    """Stack and project what ``samples`` bring along."""
    tokens, mask = stack_texts([*(sample.negative for sample in samples), *(sample.text for sample in samples)])
    stacked = [
        torch.stack([*(sample.no_images[role] for sample in samples), *(sample.images[role] for sample in samples)])
        for role in bundle.roles
    ]
    masks = [torch.stack([sample.masks[role] for sample in samples] * 2) for role in bundle.roles]
    guidance = torch.tensor([sample.guidance for sample in samples], device=bundle.device)
    return Conditions(
        tokens=tokens,
        token_mask=mask,
        images=bundle.projections(stacked),
        masks=[mask[:, None].to(bundle.device, bundle.dtype) for mask in masks],
        added=_added(bundle, samples),
        guidance=guidance.view(-1, 1, 1, 1),
        completions=_completions(bundle, samples),
    )


def _completions(bundle: Bundle, samples: Sequence[Sample]) -> Tensor | None:
    given = [sample.completion.channels for sample in samples if sample.completion is not None]
    if len(given) != (len(samples) if bundle.completes else 0):
        raise ValueError("a UNet that completes pictures needs a completion for every sample, any other takes none")
    return torch.stack(given).to(bundle.device, torch.float32) if given else None


def _added(bundle: Bundle, samples: Sequence[Sample]) -> dict[str, Tensor]:
    """SDXL is told the pooled text and the sizes: original, crop corner and target, here all of the picture itself."""
    if bundle.card.family != "sdxl":
        return {}
    pooled = [sample.negative.pooled for sample in samples] + [sample.text.pooled for sample in samples]
    sizes = [[sample.size[1], sample.size[0], 0, 0, sample.size[1], sample.size[0]] for sample in samples] * 2
    return {
        "text_embeds": torch.stack(pooled),
        "time_ids": torch.tensor(sizes, device=bundle.device, dtype=bundle.dtype),
    }
