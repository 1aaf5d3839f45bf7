"""Defects planted into finished pictures, to see which score catches what.

Some are other pictures: the same shot drawn with another product, person or place, and shown as if it were this one.
The others are done to the picture's pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter

from brief.types import Measurements
from generation.models import Models
from generation.scene.colour import from_lab, to_lab
from generation.scene.material import Material
from generation.scene.scene import Scene
from generation.score.measure import measure
from generation.studio import Studio

NO_DEFECT = "none"
SHOWS = {
    "product swapped": ("product", "prompt"),
    "colour shifted": ("product",),
    "other face": ("identity", "features", "prompt"),
    "blur": ("sharpness",),
    "two faces": ("faces", "environment"),
    "product missing": ("product", "prompt"),
    "wrong place": ("environment", "prompt"),
    "text garbled": ("product", "label"),
}
"""Per defect the dimensions that can tell of it."""

_DELTA_E = 10.0
_BLUR = 80
"""A blur's radius is an 80th of the picture's edge."""


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A finished picture and the scene that it is meant to be."""

    scene: Scene
    picture: Image.Image


def finish(models: Models, materials: Sequence[Material]) -> list[Finished]:
    """The pictures of these takes, through all stages."""
    studio = Studio(models)
    composed = {made.key: made.image for made in studio.compose(materials)}
    drafts = [replace(each, picture=composed[each.key]) for each in materials]
    refined = {made.key: made.image for made in studio.refine(drafts)}
    return [_finished(models, each, refined[each.key]) for each in materials]


def _finished(models: Models, material: Material, picture: Image.Image | None) -> Finished:
    if picture is None:
        raise ValueError(f"take {material.key} could not be made")
    recipe = models.painter.card.recipe_for(material.shot.recipe, material.take.changes)
    return Finished(Scene(material, recipe, picture.size, models.painter.hint), picture)


def _others(materials: Sequence[Material]) -> dict[str, list[Material]]:
    """Per defect the takes that would be drawn by mistake: each with another shot's product, person or place."""
    found: dict[str, list[Material]] = {"product swapped": [], "other face": [], "wrong place": []}
    for number, material in enumerate(materials):
        product = _first(materials, number, lambda a, b: a.shot.product.sku != b.shot.product.sku)
        person = _first(materials, number, lambda a, b: a.shot.persona != b.shot.persona)
        place = _first(materials, number, lambda a, b: a.shot.environment.name != b.shot.environment.name)
        found["product swapped"].append(replace(material, packshot=product.packshot))
        found["other face"].append(replace(material, portrait=person.portrait))
        found["wrong place"].append(replace(material, photo=place.photo))
    return found


def _first(materials: Sequence[Material], number: int, differ: Callable[[Material, Material], bool]) -> Material:
    rest = [*materials[number + 1 :], *materials[:number]]
    return next(each for each in rest if differ(materials[number], each))


def colour_shifted(finished: Finished) -> Image.Image:
    """The product's colours 10 Delta E (CIE 1976) off, half of it each in a* and b*."""
    lab = to_lab(finished.picture)
    lab[..., 1:] += _DELTA_E / 2**0.5
    return Image.composite(from_lab(lab), finished.picture, finished.scene.product.getchannel("A"))


def blurred(finished: Finished) -> Image.Image:
    return finished.picture.filter(ImageFilter.GaussianBlur(max(finished.picture.size) / _BLUR))


def two_faces(finished: Finished) -> Image.Image:
    """The head once more, at half its size, in an upper corner."""
    face = finished.scene.material.layout.face
    if face is None:
        raise ValueError("the picture shows nobody")
    head = finished.picture.crop(face.pixels(finished.picture.size))
    head = head.resize((head.width // 2, head.height // 2), Image.Resampling.LANCZOS)
    oval = Image.radial_gradient("L").resize(head.size).point(lambda value: 255 if value < 170 else 0)
    picture = finished.picture.copy()
    left = 2 if (face.left + face.right) / 2 > 0.5 else picture.width - head.width - 2
    picture.paste(head, (left, 2), oval)
    return picture


def product_missing(finished: Finished) -> Image.Image:
    mask = finished.scene.product.getchannel("A").filter(ImageFilter.MaxFilter(3))
    return Image.composite(finished.scene.plate, finished.picture, mask)


def text_garbled(finished: Finished) -> Image.Image:
    """The middle of the product, where a label is, in tiles of the wrong order."""
    box = finished.scene.product.getchannel("A").getbbox()
    if box is None:
        raise ValueError("the product covers nothing")
    left, top, right, bottom = box
    wide, high = (right - left) // 4, (bottom - top) // 4
    middle = (left + wide, top + high, left + 3 * wide, top + 3 * high)
    tile = max(2, wide // 3)
    pixels = np.asarray(finished.picture.crop(middle)).copy()
    columns = np.arange(pixels.shape[1])
    mixed = pixels[:, (columns // tile % 2 * -2 + 1) * tile + columns - pixels.shape[1]]
    picture = finished.picture.copy()
    picture.paste(Image.fromarray(mixed), middle[:2])
    return picture


DONE_TO_PIXELS: Mapping[str, Callable[[Finished], Image.Image]] = {
    "colour shifted": colour_shifted,
    "blur": blurred,
    "two faces": two_faces,
    "product missing": product_missing,
    "text garbled": text_garbled,
}


def plant(models: Models, materials: Sequence[Material]) -> dict[str, list[Finished]]:
    """Per defect, and for :data:`NO_DEFECT`, a picture of each take beside the scene that it is meant to be."""
    good = finish(models, materials)
    found = {NO_DEFECT: good}
    for name, wrong in _others(materials).items():
        made = finish(models, wrong)
        found[name] = [Finished(one.scene, other.picture) for one, other in zip(good, made, strict=True)]
    for name, spoil in DONE_TO_PIXELS.items():
        found[name] = [Finished(each.scene, spoil(each)) for each in good]
    return found


def measure_all(models: Models, planted: Mapping[str, Sequence[Finished]]) -> dict[str, list[Measurements]]:
    """What is measured of each picture."""
    scoring, card = models.scoring, models.painter.card
    return {name: [measure(scoring, card, each.scene, each.picture) for each in made] for name, made in planted.items()}
