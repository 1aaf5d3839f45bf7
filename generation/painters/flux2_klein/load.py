"""Loading FLUX.2 klein: a diffusers folder of transformer, autoencoder and a language model as text encoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline
from diffusers.hooks import apply_group_offloading

from generation.bundle.card import SCORING_PARTS, BundleCard, BundleError
from generation.bundle.hub import PARTS, Sources
from generation.bundle.load import default_dtype, merge_loras, open_card, scorers_bytes
from generation.bundle.memory import MemoryPlan, Weights, count_bytes, memory_plan_for
from generation.counts import Counts

TEXT_LAYERS = (9, 18, 27)
"""Layers of the text encoder whose outputs the transformer reads, as its pipeline in diffusers takes them."""
PATCH = 2
"""Latent pixels along the edge of one token."""

_VALUES_PER_PIXEL = 900
"""Numbers that the transformer holds at once, per pixel: tokens of the picture and of three references, 55,000 each.
Counted from its layers' widths, not measured."""


@dataclass(eq=False, slots=True)
class Klein:
    """Loaded models, ready to run, all on one device."""

    card: BundleCard
    folder: Path
    device: torch.device
    dtype: torch.dtype
    tokenizer: Any
    text_encoder: Any
    transformer: Any
    vae: Any
    scheduler: FlowMatchEulerDiscreteScheduler
    sources: Sources
    plan: MemoryPlan = field(default_factory=MemoryPlan)
    counts: Counts = field(default_factory=Counts)

    @property
    def token_size(self) -> int:
        """Picture pixels along the edge of one token."""
        return PATCH * int(2 ** (len(self.vae.config.block_out_channels) - 1))


def load_klein(folder: Path, device: str | None = None, dtype: torch.dtype | None = None) -> Klein:
    """Verify and load the bundle in ``folder``.

    Args:
        device, dtype: as for :func:`generation.bundle.load.load`.

    Raises:
        BundleError: a file is missing or altered, the licence is not commercial, the card asks for what this family
            has not, or the checkpoint is not distilled.
    """
    card, sources = open_card(folder, ("flux2-klein",))
    _check_card(folder, card)
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    pipe = _load_pipeline(card, sources, dtype or default_dtype(where))
    return _placed(
        Klein(
            card=card,
            folder=folder,
            device=where,
            dtype=pipe.transformer.dtype,
            tokenizer=pipe.tokenizer,
            text_encoder=_cut(pipe.text_encoder),
            transformer=pipe.transformer,
            vae=pipe.vae,
            scheduler=pipe.scheduler,
            sources=sources,
            counts=Counts(loads=1),
        )
    )


def _check_card(folder: Path, card: BundleCard) -> None:
    strange = [name for name in ("adapters", "scheduler", "inpaint") if getattr(card, name)]
    strange += [f"source.{part}" for part in PARTS if part in card.source and part not in ("base", *SCORING_PARTS)]
    if strange:
        raise BundleError(
            f"{folder / 'bundle.toml'}: models of family 'flux2-klein' have no {strange[0]!r}; remove it "
            "(references go into the transformer itself, and its scheduler is its own)"
        )


def _load_pipeline(card: BundleCard, sources: Sources, dtype: torch.dtype) -> Any:
    try:
        pipe = Flux2KleinPipeline.from_pretrained(
            sources.base, variant=card.variant or None, use_safetensors=True, local_files_only=True, dtype=dtype
        )
        merge_loras(pipe, card, sources)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise BundleError(f"the models of bundle {card.name!r} in {sources.base} cannot be loaded: {error}") from error
    if not pipe.config.is_distilled:
        raise BundleError(
            f"{sources.base} is not a distilled checkpoint, and only those are drawn with (in few steps, without "
            "guidance); use FLUX.2-klein-4B, not its base"
        )
    for module in (pipe.transformer, pipe.vae, pipe.text_encoder):
        module.eval().requires_grad_(False)
    return pipe


def _cut(text_encoder: Any) -> Any:
    """The language model without its head and without the layers that nothing reads, a quarter of its weights."""
    model = text_encoder.model
    # One more than is read: the last layer's output is told normalised.
    model.layers = model.layers[: max(TEXT_LAYERS) + 1]
    model.config.num_hidden_layers = len(model.layers)
    return model


def _placed(klein: Klein) -> Klein:
    """Put each model where the plan for the device's memory wants it."""
    denoiser, autoencoder, encoder = map(count_bytes, ([klein.transformer], [klein.vae], [klein.text_encoder]))
    weights = Weights(denoiser, autoencoder, encoder + scorers_bytes(klein.sources, klein.dtype))
    klein.plan = memory_plan_for(klein.device, weights, klein.card, klein.vae.dtype.itemsize, _VALUES_PER_PIXEL)
    if klein.plan.tiled:
        klein.vae.enable_tiling()
    if klein.plan.denoiser_streamed:
        apply_group_offloading(
            klein.transformer, onload_device=klein.device, offload_type="leaf_level", use_stream=True
        )
    else:
        klein.transformer.to(klein.device)
    if not klein.plan.autoencoder_away:
        klein.vae.to(klein.device)
    if not klein.plan.encoders_away:
        klein.text_encoder.to(klein.device)
    return klein
