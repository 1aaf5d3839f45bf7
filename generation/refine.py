"""Refinement: small steps over the composed picture, each kept only if the picture is the better for it.

Size, light, polish and texture, in this order; the product's own pixels are put back after each, at the final size,
from the packshot itself, so that no step can invent them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from PIL import Image, ImageFilter

from generation.compose import lay_out, to_drawings
from generation.denoise import denoise
from generation.inputs import Result, TakeInputs
from generation.kit import Kit
from generation.latents import decode_latents, encode_images, to_images
from generation.light import match_light
from generation.material import Material, read_material
from generation.scene import paste_product, regions, to_mask
from generation.score.scorecard import measure

_SHARPEN = ImageFilter.UnsharpMask(radius=1.0, percent=60, threshold=2)
_WORSE_BY = 0.02

Step = Callable[[Image.Image], Image.Image]


def refine_picture(kit: Kit, inputs: TakeInputs) -> Result:
    """The refined picture of one take, in the size the shot asks for, and notes on what each step did.

    Raises:
        ValueError: an image is missing or cannot be read.
    """
    material = read_material(kit.bundle.card, inputs)
    composed = material.picture()
    product = material.product(material.size)
    best = paste_product(composed.resize(material.size, Image.Resampling.LANCZOS), product)
    notes: list[str] = []
    if material.size[0] * material.size[1] > composed.width * composed.height:
        notes.append(f"size: enlarged from {composed.width} x {composed.height}")
    before = _quality(kit, material, best)
    for name, step in _steps(kit, material).items():
        made = paste_product(step(best), product)
        after = _quality(kit, material, made)
        worse = _what_fell(before, after)
        if worse:
            notes.append(f"{name}: kept the picture before, {worse}")
        else:
            notes.append(f"{name}: done")
            best, before = made, after
    return Result(inputs.take.key, best, notes=tuple(notes))


def _steps(kit: Kit, material: Material) -> dict[str, Step]:
    steps: dict[str, Step] = {"light": lambda picture: _light(material, picture)}
    if material.recipe.polish_strength > 0:
        steps["polish"] = lambda picture: _polish(kit, material, picture)
    steps["texture"] = lambda picture: picture.filter(_SHARPEN)
    return steps


def _quality(kit: Kit, material: Material, picture: Image.Image) -> dict[str, float]:
    values, _ = measure(kit, material, picture)
    return values


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


def _light(material: Material, picture: Image.Image) -> Image.Image:
    """Draw the colours of what the model added to the place a little towards the place's own."""
    found = regions(material.layout, material.product(picture.size))
    return match_light(picture, material.photo, to_mask(found.place))


def _polish(kit: Kit, material: Material, picture: Image.Image) -> Image.Image:
    """Draw the last part of the steps again over the picture (img2img) in all its regions, at the models' own size."""
    scene = lay_out(kit.bundle, material.inputs)
    (drawing,) = to_drawings(kit, [scene])
    small = picture.resize(scene.size, Image.Resampling.LANCZOS)
    again = replace(
        drawing,
        reference=encode_images(kit.bundle, [small])[0],
        keep=torch.clamp(torch.full_like(drawing.masks[0], 1 - material.recipe.polish_strength), 0, 1),
    )
    drawn = to_images(decode_latents(kit.bundle, denoise(kit.bundle, [again])))[0]
    return drawn.resize(picture.size, Image.Resampling.LANCZOS)
