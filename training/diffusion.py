"""The diffusion that the UNet learns: v-prediction with zero terminal SNR, and drawing pictures with it."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import DDIMScheduler
from torch import Tensor

_SNR_CUT, _LEAST_WEIGHT = 5.0, 0.5
_RESCALE = 0.7


def make_scheduler(prediction: str = "v_prediction") -> DDIMScheduler:
    """Trailing steps and rescaled betas, so that the first step starts from pure noise (Lin et al., 2023,
    arXiv:2305.08891)."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
        prediction_type=prediction,
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
    )


class Noising:
    """Training examples of the diffusion on one device."""

    def __init__(self, device: torch.device) -> None:
        self._kept = make_scheduler().alphas_cumprod.to(device)

    def draw_times(self, count: int) -> Tensor:
        """Timesteps [n], noisy ones a little more often: they decide what the picture shows."""
        return (torch.rand(count, device=self._kept.device) ** 0.85 * 1000).long().clamp(0, 999)

    def apply(self, latents: Tensor, noise: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        """Noised latents and the velocity to predict (Salimans & Ho, 2022, arXiv:2202.00512)."""
        signal = self._kept[times].view(-1, 1, 1, 1).sqrt()
        blur = (1 - self._kept[times]).view(-1, 1, 1, 1).sqrt()
        return signal * latents + blur * noise, signal * noise - blur * latents

    def weights(self, times: Tensor) -> Tensor:
        """Weight per example [n]: min-SNR (Hang et al., 2023, arXiv:2303.09556) for v-prediction, floored so that the
        noisiest steps, which have no signal at all, are learnt too."""
        ratio = self._kept[times] / (1 - self._kept[times]).clamp(min=1e-8)
        weights: Tensor = (ratio.clamp(max=_SNR_CUT) / (ratio + 1)).clamp(min=_LEAST_WEIGHT)
        return weights

    def clarity(self, times: Tensor) -> Tensor:
        """How little noise there is [n], from 1 (nothing but noise) up: the square of an error of the clean picture
        against that of the noise it is told from."""
        clarity: Tensor = 1 / (1 - self._kept[times])
        return clarity


@torch.no_grad()
def draw_latents(
    unet: Any, tokens: Tensor, nothing: Tensor, shape: tuple[int, ...], steps: int, guidance: float
) -> Tensor:
    """Latents for texts [n, length, width] by DDIM; ``nothing`` [1, length, width] is the empty text."""
    scheduler = make_scheduler()
    scheduler.set_timesteps(steps)
    count = len(tokens)
    noise = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in range(count)]
    latents = torch.stack(noise).to(tokens.device)
    both = torch.cat([nothing.expand(count, -1, -1), tokens])
    for time in scheduler.timesteps:
        without, wanted = unet(torch.cat([latents, latents]), time, both, return_dict=False)[0].float().chunk(2)
        pushed = without + guidance * (wanted - without)
        same = pushed * (wanted.std((1, 2, 3), keepdim=True) / pushed.std((1, 2, 3), keepdim=True))
        latents = scheduler.step(_RESCALE * same + (1 - _RESCALE) * pushed, time, latents).prev_sample
    return latents
