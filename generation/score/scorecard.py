"""A take's scorecard: every dimension measured, then judged."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from generation.brief import Scorecard
from generation.bundle import Bundle
from generation.encoders import Encoders
from generation.inputs import Result, TakeInputs
from generation.material import Material, read_material
from generation.scene import collage, regions, to_mask
from generation.score.likeness import Unavailable, covered, crop_square, image_likeness, prompt_likeness
from generation.score.product import product_similarity
from generation.score.technical import exposure, sharpness
from generation.score.verdict import cuts_for, judge


def score_picture(bundle: Bundle, encoders: Encoders, inputs: TakeInputs) -> Result:
    """Score the refined picture of one take.

    Raises:
        ValueError: an image is missing or cannot be read.
    """
    material = read_material(bundle.card, inputs)
    return Result(inputs.take.key, scorecard=scorecard(bundle, encoders, material, material.picture()))


def scorecard(bundle: Bundle, encoders: Encoders, material: Material, picture: Image.Image) -> Scorecard:
    """Measure and judge ``picture``, RGB, any size."""
    values, unavailable = measure(bundle, encoders, material, picture)
    shot, take = material.inputs.shot, material.inputs.take
    cuts = cuts_for(bundle.card.thresholds, shot.thresholds)
    if not shot.framing.has_person:
        cuts.pop("identity", None)
    return judge(values, unavailable, cuts, last=take.number >= shot.max_takes)


def measure(
    bundle: Bundle, encoders: Encoders, material: Material, picture: Image.Image
) -> tuple[dict[str, float], dict[str, str]]:
    """Every dimension of ``picture`` that can be measured, 0 to 1, and why the others cannot."""
    dimensions: dict[str, Callable[[], float]] = {
        "sharpness": lambda: sharpness(picture),
        "exposure": lambda: exposure(picture),
        "product": lambda: product_similarity(picture, material.product(picture.size)),
        "prompt": lambda: prompt_likeness(bundle, encoders, picture, material.inputs.shot.prompt),
        "environment": lambda: _environment(encoders, material, picture),
        "identity": lambda: _identity(encoders, material, picture),
    }
    values: dict[str, float] = {}
    unavailable: dict[str, str] = {}
    for name, value in dimensions.items():
        try:
            values[name] = round(value(), 4)
        except Unavailable as reason:
            unavailable[name] = str(reason)
    return values, unavailable


def _environment(encoders: Encoders, material: Material, picture: Image.Image) -> float:
    """Likeness of the place to its photo, person and product covered in both alike."""
    product = material.product(picture.size)
    found = regions(material.layout, product)
    others = to_mask(1 - found.place * (1 - found.free))
    photo = collage(material.photo, Image.new("RGBA", picture.size), material.layout)
    return image_likeness(encoders, covered(picture, others), covered(photo, others))


def _identity(encoders: Encoders, material: Material, picture: Image.Image) -> float:
    if material.portrait is None or material.layout.face is None:
        raise Unavailable("the picture shows nobody")
    return image_likeness(encoders, crop_square(picture, material.layout.face), material.portrait)
