"""Refinement: small steps over the composed picture, each kept only if the picture is the better for it.

Light, polish and texture, in this order; what is kept to the end is put back after each, at the final size, from the
packshot and the photo themselves, so that no step can invent it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image, ImageFilter

from generation.compose import Scene, draw_pictures, lay_out, to_samples
from generation.models import Models
from generation.painters.stable_diffusion.sample import Sample
from generation.scene.collage import put_back, regions, to_mask
from generation.scene.light import match_light
from generation.scene.material import Material, Result
from generation.score.scorecard import measure

_SHARPEN = ImageFilter.UnsharpMask(radius=1.0, percent=60, threshold=2)
_WORSE_BY = 0.02


@dataclass(frozen=True, slots=True)
class Draft:
    """A picture on its way: the best so far, of the size the shot asks for, its scores and what was done to it."""

    material: Material
    product: Image.Image
    best: Image.Image
    values: dict[str, float]
    notes: tuple[str, ...]


Step = Callable[[Models, Sequence[Draft]], list[Image.Image | None]]
"""Makes a picture from each draft, or ``None`` where the recipe leaves the step out."""


def refine_pictures(models: Models, materials: Sequence[Material]) -> list[Result]:
    """The refined pictures of a batch, each in the size its shot asks for, with notes on what each step did.

    Raises:
        ValueError: a picture is missing.
    """
    drafts = [_begin(models, material) for material in materials]
    for name, step in _STEPS.items():
        drafts = [_better(models, name, draft, made) for draft, made in zip(drafts, step(models, drafts), strict=True)]
    return [Result(draft.material.inputs.take.key, draft.best, notes=draft.notes) for draft in drafts]


def _begin(models: Models, material: Material) -> Draft:
    composed = material.picture()
    product = material.product(material.size)
    best = put_back(composed.resize(material.size, Image.Resampling.LANCZOS), material)
    grown = material.size[0] * material.size[1] > composed.width * composed.height
    notes = (f"size: enlarged from {composed.width} x {composed.height}",) if grown else ()
    values, _ = measure(models, material, best)
    return Draft(material, product, best, values, notes)


def _better(models: Models, name: str, draft: Draft, made: Image.Image | None) -> Draft:
    """``draft`` with ``made`` in its place, if that is no worse."""
    if made is None:
        return draft
    made = put_back(made, draft.material)
    values, _ = measure(models, draft.material, made)
    fell = _what_fell(draft.values, values)
    if fell:
        return replace(draft, notes=(*draft.notes, f"{name}: kept the picture before, {fell}"))
    return replace(draft, best=made, values=values, notes=(*draft.notes, f"{name}: done"))


def _what_fell(before: dict[str, float], after: dict[str, float]) -> str:
    """In words, why the picture before is the better one; empty if it is not.

    The mean may not fall, and no dimension by more than a little: one may not pay for another.
    """
    for name, value in before.items():
        if after.get(name, 0.0) < value - _WORSE_BY:
            return f"{name} would fall from {value:.2f} to {after.get(name, 0.0):.2f}"
    if sum(after.values()) < sum(before.values()):
        return "nothing would be better for it"
    return ""


def _light(models: Models, drafts: Sequence[Draft]) -> list[Image.Image | None]:
    """Draw the colours of the place a little towards the photo's own."""
    return [
        match_light(draft.best, draft.material.photo, to_mask(regions(draft.material.layout, draft.product).place))
        for draft in drafts
    ]


def _polish(models: Models, drafts: Sequence[Draft]) -> list[Image.Image | None]:
    """Draw the last part of the steps again over the picture (img2img), at the models' own size."""
    made: list[Image.Image | None] = [None] * len(drafts)
    asked = [number for number, draft in enumerate(drafts) if draft.material.recipe.polish_strength > 0]
    scenes = [_over(models, drafts[number]) for number in asked]
    samples = to_samples(models, scenes) if scenes else []
    again = [_last_part(scene, sample) for scene, sample in zip(scenes, samples, strict=True)]
    for number, image in zip(asked, draw_pictures(models.bundle, again), strict=True):
        made[number] = image.resize(drafts[number].best.size, Image.Resampling.LANCZOS)
    return made


def _last_part(scene: Scene, sample: Sample) -> Sample:
    """``sample`` from where the recipe's polish begins."""
    share = 1 - min(1.0, scene.material.recipe.polish_strength)
    return replace(sample, keep=torch.full_like(sample.masks[0], share))


def _over(models: Models, draft: Draft) -> Scene:
    """The draft's scene with the draft itself in place of the collage."""
    scene = lay_out(models.bundle, draft.material)
    return replace(scene, collage=draft.best.resize(scene.size, Image.Resampling.LANCZOS))


def _texture(models: Models, drafts: Sequence[Draft]) -> list[Image.Image | None]:
    return [draft.best.filter(_SHARPEN) for draft in drafts]


_STEPS: dict[str, Step] = {"light": _light, "polish": _polish, "texture": _texture}
