"""Which adapter drew what, for people: heat maps over the picture, and how far each adapter keeps to its own region."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional

from brief.types import Measurements
from generation.compose import lay_out
from generation.painter import Painter
from generation.scene.material import Material, Result

_STRIPE = 14
_COLD, _WARM = np.array([20.0, 24.0, 60.0]), np.array([255.0, 190.0, 40.0])


def explain_take(painter: Painter, material: Material) -> Result:
    """Draw a take again and watch: a sheet with the picture and a heat map of each role, and the dimension
    ``attention``, the least share of an adapter's attention that lies in its own region.

    Raises:
        ValueError: an image is missing or cannot be read, or the painter has no adapters.
    """
    scene = lay_out(painter, material)
    picture, maps = painter.explain(scene)
    inside = {role: mass_inside(share, scene.regions.by_role[role]) for role, share in maps.items()}
    notes = tuple(f"{role}: {share:.0%} of its attention lies in its own region" for role, share in inside.items())
    measured = Measurements({"attention": round(min(inside.values()), 4)} if inside else {})
    return Result(material.key, sheet(picture, maps), measured=measured, notes=notes)


def mass_inside(share: Tensor, region: Tensor) -> float:
    """How much of an adapter's share [h, w] lies in its own region [height, width], 0 to 1; 0 where it did nothing."""
    size = (share.shape[-2], share.shape[-1])
    inside = functional.adaptive_avg_pool2d(region[None, None].float(), size)[0, 0]
    return float((share * inside.to(share)).sum() / share.sum().clamp(min=1e-9))


def sheet(picture: Image.Image, maps: Mapping[str, Tensor]) -> Image.Image:
    """The picture, then each role's map over it in grey: dark where the role drew nothing, yellow where most."""
    width, height = picture.size
    made = Image.new("RGB", (width * (1 + len(maps)), height + _STRIPE), "white")
    made.paste(picture, (0, _STRIPE))
    draw = ImageDraw.Draw(made)
    draw.text((2, 1), "picture", fill="black")
    grey = np.asarray(picture.convert("L"), dtype=np.float32)[..., None] / 255
    for number, (role, share) in enumerate(maps.items(), 1):
        heat = functional.interpolate(share[None, None].float(), (height, width), mode="bilinear")[0, 0].clamp(0, 1)
        value = (heat / torch.clamp(heat.max(), min=1e-6)).numpy()[..., None]
        colours = (_COLD + (_WARM - _COLD) * value) * (0.35 + 0.65 * grey)
        made.paste(Image.fromarray(colours.round().astype(np.uint8)), (number * width, _STRIPE))
        draw.text((number * width + 2, 1), f"{role}: up to {float(heat.max()):.0%}", fill="black")
    return made
