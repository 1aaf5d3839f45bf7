"""What the UNet is told besides the latents, for a whole batch, prepared once per run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from generation.bundle.load import Bundle
from generation.painters.stable_diffusion.encode_text import stack_texts
from generation.painters.stable_diffusion.sample import Sample


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

    def select(self, guided: Sequence[int]) -> tuple[list[int], dict[str, Any]]:
        """The UNet's arguments for the rows in ``guided`` without prompt, then all rows with it.

        Returns:
            Which latents each of these rows takes, and the arguments.
        """
        count = len(self.guidance)
        latents = [*guided, *range(count)]
        rows = [*guided, *range(count, 2 * count)]
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
