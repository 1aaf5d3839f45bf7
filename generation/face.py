"""Portraits from chosen features: the identity reference for every shot of a persona."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from generation.brief import Persona
from generation.denoise import Drawing, denoise
from generation.encode import adapter_inputs
from generation.kit import Kit
from generation.latents import decode_latents, to_images
from generation.prompts import portrait_prompt
from generation.sketch import sketch

_FULL_GUIDANCE = 1.0


def draw_portraits(kit: Kit, personas: Sequence[Persona]) -> list[Image.Image]:
    """One portrait per persona, of the bundle's own size, as one batch.

    The features and the persona's seed decide it alone: no image prompt, no keep, guidance to the last step (a
    portrait is worth it: every shot of the persona refers to it). A bundle with a sketch net begins with its sketch.
    """
    bundle = kit.bundle
    recipe = bundle.card.recipe_for("standard")
    size = (bundle.card.width, bundle.card.height)
    latent = (size[1] // bundle.scale_factor, size[0] // bundle.scale_factor)
    texts = kit.texts.encode([portrait_prompt(persona.face) for persona in personas])
    negative = kit.texts.negative("")
    nothing = adapter_inputs(bundle, [kit.images.nothing()] * 3)
    begun = first_sketches(kit, personas)
    drawings = [
        Drawing(
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
            keep=None if kit.sketch is None else torch.full(latent, kit.sketch.config.keep),
        )
        for persona, text, reference in zip(personas, texts, begun, strict=True)
    ]
    return to_images(decode_latents(bundle, denoise(bundle, drawings)))


def first_sketches(kit: Kit, personas: Sequence[Persona]) -> Sequence[Tensor | None]:
    """Scaled latents that each portrait begins with; ``None`` where the bundle has no sketch net."""
    if kit.sketch is None:
        return [None] * len(personas)
    faces, seeds = [persona.face for persona in personas], [persona.seed for persona in personas]
    return list(sketch(kit.sketch, faces, seeds).to(kit.bundle.device, kit.bundle.dtype))
