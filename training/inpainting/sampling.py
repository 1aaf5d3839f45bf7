"""Drawing with an inpainting UNet during training, on batches of its own kind."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from training.diffusion import make_scheduler
from training.inpainting.batches import Batch
from training.inpainting.unet import completed


@torch.no_grad()
def complete(unet: Any, text: Any, told: Batch, steps: int) -> Tensor:
    """Latents of a batch's collages, completed by DDIM from noise that each row's number decides; what the mask keeps
    is the hint's at the end."""
    scheduler = make_scheduler("sample")
    scheduler.set_timesteps(steps)
    tokens = text(told.ids).last_hidden_state
    noise = [
        torch.randn(told.hint.shape[1:], generator=torch.Generator().manual_seed(row)) for row in range(len(tokens))
    ]
    latents = torch.stack(noise).to(told.hint)
    for time in scheduler.timesteps:
        clean = completed(unet, latents, time.expand(len(latents)), tokens, told)
        latents = scheduler.step(clean, time, latents).prev_sample
    return torch.lerp(told.hint, latents, told.mask)
