"""Portraits from chosen features: the identity reference for every shot of a persona."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from brief.prompts import portrait_prompt
from brief.types import Persona
from generation.models import Models
from generation.painters.stable_diffusion.denoise import denoise
from generation.painters.stable_diffusion.encode_image import adapter_inputs
from generation.painters.stable_diffusion.latents import decode_latents, to_images
from generation.painters.stable_diffusion.portrait_prior import sketch
from generation.painters.stable_diffusion.sample import Sample

_FULL_GUIDANCE = 1.0


def draw_portraits(models: Models, personas: Sequence[Persona]) -> list[Image.Image]:
    """One portrait per persona, of the bundle's own size, as one batch.

    The features and the persona's seed decide it alone: no image prompt, no keep, guidance to the last step (a
    portrait is worth it: every shot of the persona refers to it). A bundle with a sketch net begins with its sketch.
    """
    bundle = models.bundle
    recipe = bundle.card.recipe_for("standard")
    size = (bundle.card.width, bundle.card.height)
    latent = (size[1] // bundle.scale_factor, size[0] // bundle.scale_factor)
    texts = models.texts.encode([portrait_prompt(persona.face) for persona in personas])
    negative = models.texts.negative("")
    nothing = adapter_inputs(bundle, [models.images.nothing()] * 3)
    begun = first_sketches(models, personas)
    samples = [
        Sample(
            size=size,
            text=text,
            negative=negative,
            images=nothing,
            no_images=nothing,
            masks=torch.zeros(3, *latent),
            seed=persona.seed,
            steps=recipe.steps,
            guidance=recipe.guidance,
            guidance_until=_FULL_GUIDANCE,
            reference=reference,
            keep=None if models.sketch is None else torch.full(latent, models.sketch.config.keep),
        )
        for persona, text, reference in zip(personas, texts, begun, strict=True)
    ]
    return to_images(decode_latents(bundle, denoise(bundle, samples)))


def first_sketches(models: Models, personas: Sequence[Persona]) -> Sequence[Tensor | None]:
    """Scaled latents that each portrait begins with; ``None`` where the bundle has no sketch net."""
    if models.sketch is None:
        return [None] * len(personas)
    faces, seeds = [persona.face for persona in personas], [persona.seed for persona in personas]
    return list(sketch(models.sketch, faces, seeds).to(models.bundle.device, models.bundle.dtype))
