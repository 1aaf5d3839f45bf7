"""The denoising loop: a batch whose pictures differ in everything but size and number of steps.

Stock pipelines mix the image prompts of a batch without a word (huggingface/diffusers#9813), and cannot give each
picture its own guidance or keep parts of it. Here every row has its own prompt, image prompts, masks, strengths,
seed, guidance and guidance interval (Kynkäänniemi et al., 2024, arXiv:2404.07724), and a change map that puts parts
of a reference back for a given share of the steps (Levin & Fried, 2023, arXiv:2306.00950).
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from generation.bundle.load import Bundle
from generation.painters.stable_diffusion.sample import EPSILON, Conditions, Sample, prepare

_ZERO_SNR_RESCALE = 0.7


@torch.inference_mode()
def denoise(bundle: Bundle, samples: Sequence[Sample]) -> Tensor:
    """Run ``samples``, which must be of one group.

    Returns:
        Scaled latents [n, channels, h, w], float32 whatever the models' precision. Row i depends on sample i alone,
        up to rounding (about 1e-6 in float32).

    Raises:
        ValueError: no samples, or of different groups.
    """
    if len({sample.group for sample in samples}) != 1:
        raise ValueError("a batch needs one size, one number of steps and one start")
    first = samples[0]
    scheduler = type(bundle.scheduler).from_config(bundle.scheduler.config)
    scheduler.set_timesteps(first.steps, device=bundle.device)
    if len(scheduler.timesteps) != first.steps:
        raise ValueError(f"{type(scheduler).__name__} calls the UNet more than once per step; choose another scheduler")
    noise = torch.stack([_noise(bundle, sample) for sample in samples]).to(bundle.device)
    kept = _Kept.of(samples, noise)
    if first.start == first.steps:
        return kept.reference
    timesteps = scheduler.timesteps[first.start :]
    # Told always: with Karras sigmas, neighbouring steps may share a timestep, and only the index tells them apart.
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first.start)
    latents = kept.put_back(scheduler, noise * scheduler.init_noise_sigma, timesteps[0], EPSILON)
    conditions = prepare(bundle, samples)
    options = _step_options(scheduler, samples)
    with bundle.keys_and_values.run():
        asked = _Asked(bundle, conditions)
        for index, timestep in enumerate(timesteps, first.start):
            asked.choose([row for row, sample in enumerate(samples) if sample.guided_at(index)])
            predicted = _predict(bundle, scheduler, asked, latents, timestep)
            latents = scheduler.step(predicted, timestep, latents, return_dict=False, **options)[0]
            later = timesteps[index - first.start + 1] if index + 1 < first.steps else None
            latents = kept.put_back(scheduler, latents, later, (index + 1) / first.steps - EPSILON)
    return latents


def _noise(bundle: Bundle, sample: Sample) -> Tensor:
    """Drawn on the CPU in float32 by the sample's own generator: the same on every device and in every batch."""
    width, height = (edge // bundle.scale_factor for edge in sample.size)
    generator = torch.Generator("cpu").manual_seed(sample.seed)
    return torch.randn(bundle.latent_channels, height, width, generator=generator)


def _step_options(scheduler: Any, samples: Sequence[Sample]) -> dict[str, Any]:
    if "generator" not in inspect.signature(scheduler.step).parameters:
        return {}
    return {"generator": [torch.Generator("cpu").manual_seed(sample.seed + 1) for sample in samples]}


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is put back: ``reference`` and ``noise`` [n, c, h, w], ``share`` [n, 1, h, w] of the steps."""

    reference: Tensor
    noise: Tensor
    share: Tensor

    @classmethod
    def of(cls, samples: Sequence[Sample], noise: Tensor) -> _Kept:
        empty = torch.zeros_like(noise[0])
        reference = [empty if sample.reference is None else sample.reference.to(noise) for sample in samples]
        share = [empty[0] if sample.keep is None else sample.keep.to(noise) for sample in samples]
        return cls(torch.stack(reference), noise, torch.stack(share)[:, None])

    def put_back(self, scheduler: Any, latents: Tensor, timestep: Tensor | None, least: float) -> Tensor:
        """``latents`` with the reference, noised for ``timestep``, wherever it is kept for at least ``least``."""
        if float(self.share.max()) < least:
            return latents
        reference = self.reference
        if timestep is not None:
            reference = scheduler.add_noise(reference, self.noise, timestep.expand(len(latents)))
        return torch.where(self.share >= least, reference, latents)


@dataclass(slots=True)
class _Asked:
    """The UNet's arguments for the rows that are guided, made again only when those change."""

    bundle: Bundle
    conditions: Conditions
    guided: Sequence[int] | None = None
    rows: Sequence[int] = ()
    options: dict[str, Any] = field(default_factory=dict)

    def choose(self, guided: Sequence[int]) -> None:
        if guided == self.guided:
            return
        self.guided = guided
        self.rows, self.options = self.conditions.select(guided, padded=self.bundle.compiled)
        images = self.options["added_cond_kwargs"].get("image_embeds", ())
        self.bundle.keys_and_values.tell([self.options["encoder_hidden_states"], *images])


def _predict(bundle: Bundle, scheduler: Any, asked: _Asked, latents: Tensor, timestep: Tensor) -> Tensor:
    """The UNet's prediction [n, c, h, w], with guidance for the rows that are guided."""
    conditions, rows, options, guided = asked.conditions, asked.rows, asked.options, asked.guided or ()
    shown = scheduler.scale_model_input(latents[rows], timestep)
    if conditions.completions is not None:
        shown = torch.cat([shown, conditions.completions[rows]], dim=1)
    bundle.counts.unet_forwards += 1
    output: Tensor = bundle.unet(shown.to(bundle.dtype), timestep, return_dict=False, **options)[0].float()
    output = output[: len(guided) + len(latents)]
    if bundle.hint == "figure" and conditions.completions is not None:
        # Such a UNet predicts how the finished picture differs from what it was shown.
        output = output + conditions.completions[rows[: len(output)], 1:]
    if not guided:
        return output
    without, wanted = output[: len(guided)], output[len(guided) :]
    chosen = torch.tensor(guided, device=output.device)
    scale = conditions.guidance[chosen]
    pushed = without + scale * (wanted[chosen] - without)
    config = bundle.scheduler.config
    if config.get("rescale_betas_zero_snr") and config.get("prediction_type") != "sample":
        pushed = _rescale(pushed, wanted[chosen])
    return wanted.index_copy(0, chosen, pushed)


def _rescale(pushed: Tensor, wanted: Tensor) -> Tensor:
    """Undo the contrast that guidance adds to zero-terminal-SNR models (Lin et al., 2023, arXiv:2305.08891, 3.4)."""
    axes = list(range(1, pushed.ndim))
    same = pushed * (wanted.std(dim=axes, keepdim=True) / pushed.std(dim=axes, keepdim=True))
    return _ZERO_SNR_RESCALE * same + (1 - _ZERO_SNR_RESCALE) * pushed
