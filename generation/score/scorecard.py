"""A take's scorecard: every dimension measured, then judged."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from brief.prompts import take_prompt
from brief.types import Scorecard
from generation.models import Models
from generation.scene.collage import collage, regions, to_mask
from generation.scene.cutout import PORTRAIT_HEAD
from generation.scene.material import Material, Result, TakeInputs, read_material
from generation.score.face_reader import agreement, read_faces, same_person
from generation.score.likeness import Unavailable, covered, crop_square, image_likeness, prompt_likeness
from generation.score.product import product_similarity
from generation.score.technical import exposure, sharpness
from generation.score.verdict import judge, thresholds_for

_OF_PEOPLE = ("identity", "features")


def score_picture(models: Models, inputs: TakeInputs) -> Result:
    """Score the refined picture of one take.

    Raises:
        ValueError: an image is missing or cannot be read.
    """
    material = read_material(models.bundle.card, inputs)
    return Result(inputs.take.key, scorecard=scorecard(models, material, material.picture()))


def scorecard(models: Models, material: Material, picture: Image.Image) -> Scorecard:
    """Measure and judge ``picture``, RGB, any size."""
    values, unavailable = measure(models, material, picture)
    shot, take = material.inputs.shot, material.inputs.take
    thresholds = thresholds_for(models.bundle.card.thresholds, shot.thresholds)
    if not shot.framing.has_person:
        thresholds = {name: threshold for name, threshold in thresholds.items() if name not in _OF_PEOPLE}
    return judge(values, unavailable, thresholds, last=take.number >= shot.max_takes)


def measure(models: Models, material: Material, picture: Image.Image) -> tuple[dict[str, float], dict[str, str]]:
    """Every dimension of ``picture`` that can be measured, 0 to 1, and why the others cannot."""
    shot, take = material.inputs.shot, material.inputs.take
    dimensions: dict[str, Callable[[], float]] = {
        "sharpness": lambda: sharpness(picture, max(models.bundle.card.width, models.bundle.card.height)),
        "exposure": lambda: exposure(picture),
        "product": lambda: product_similarity(picture, material.product(picture.size)),
        "prompt": lambda: prompt_likeness(models, picture, take_prompt(shot, take)),
        "environment": lambda: _environment(models, material, picture),
        "identity": lambda: _identity(models, material, picture),
        "features": lambda: _features(models, material, picture),
    }
    values: dict[str, float] = {}
    unavailable: dict[str, str] = {}
    for name, value in dimensions.items():
        try:
            values[name] = round(value(), 4)
        except Unavailable as reason:
            unavailable[name] = str(reason)
    return values, unavailable


def _environment(models: Models, material: Material, picture: Image.Image) -> float:
    """Likeness of the place to its photo, person and product covered in both alike."""
    product = material.product(picture.size)
    found = regions(material.layout, product)
    others = to_mask(1 - found.kept_place)
    photo = collage(material.photo, Image.new("RGBA", picture.size), material.layout)
    return image_likeness(models, covered(picture, others), covered(photo, others))


def _faces(material: Material, picture: Image.Image) -> tuple[Image.Image, Image.Image]:
    """The face in the picture and the portrait's, both square and framed alike.

    Raises:
        Unavailable: the framing shows nobody.
    """
    if material.portrait is None or material.layout.face is None:
        raise Unavailable("the picture shows nobody")
    return crop_square(picture, material.layout.face), crop_square(material.portrait, PORTRAIT_HEAD)


def _identity(models: Models, material: Material, picture: Image.Image) -> float:
    """Likeness of the face to the portrait: by the bundle's face reader, or by CLIP where it has none."""
    faces = _faces(material, picture)
    if models.face_reader is None:
        return image_likeness(models, *faces)
    found, wanted = read_faces(models.face_reader, faces)
    return same_person(found, wanted)


def _features(models: Models, material: Material, picture: Image.Image) -> float:
    """How far the face shows the features that were chosen for the persona."""
    face, _ = _faces(material, picture)
    persona = material.inputs.shot.persona
    if models.face_reader is None or persona is None:
        raise Unavailable("the bundle has no face reader")
    share = agreement(models.face_reader, read_faces(models.face_reader, [face])[0], persona.face)
    if share is None:
        raise Unavailable("no feature was chosen that the face reader knows")
    return share
