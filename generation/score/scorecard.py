"""A take's scorecard: every dimension measured, then judged."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from generation.brief import Scorecard
from generation.figure import PORTRAIT_HEAD
from generation.inputs import Result, TakeInputs
from generation.kit import Kit
from generation.material import Material, read_material
from generation.scene import collage, regions, to_mask
from generation.score.face_reader import agreement, read_faces, same_person
from generation.score.likeness import Unavailable, covered, crop_square, image_likeness, prompt_likeness
from generation.score.product import product_similarity
from generation.score.technical import exposure, sharpness
from generation.score.verdict import cuts_for, judge

_OF_PEOPLE = ("identity", "features")


def score_picture(kit: Kit, inputs: TakeInputs) -> Result:
    """Score the refined picture of one take.

    Raises:
        ValueError: an image is missing or cannot be read.
    """
    material = read_material(kit.bundle.card, inputs)
    return Result(inputs.take.key, scorecard=scorecard(kit, material, material.picture()))


def scorecard(kit: Kit, material: Material, picture: Image.Image) -> Scorecard:
    """Measure and judge ``picture``, RGB, any size."""
    values, unavailable = measure(kit, material, picture)
    shot, take = material.inputs.shot, material.inputs.take
    cuts = cuts_for(kit.bundle.card.thresholds, shot.thresholds)
    if not shot.framing.has_person:
        cuts = {name: cut for name, cut in cuts.items() if name not in _OF_PEOPLE}
    return judge(values, unavailable, cuts, last=take.number >= shot.max_takes)


def measure(kit: Kit, material: Material, picture: Image.Image) -> tuple[dict[str, float], dict[str, str]]:
    """Every dimension of ``picture`` that can be measured, 0 to 1, and why the others cannot."""
    dimensions: dict[str, Callable[[], float]] = {
        "sharpness": lambda: sharpness(picture, max(kit.bundle.card.width, kit.bundle.card.height)),
        "exposure": lambda: exposure(picture),
        "product": lambda: product_similarity(picture, material.product(picture.size)),
        "prompt": lambda: prompt_likeness(kit, picture, material.inputs.shot.prompt),
        "environment": lambda: _environment(kit, material, picture),
        "identity": lambda: _identity(kit, material, picture),
        "features": lambda: _features(kit, material, picture),
    }
    values: dict[str, float] = {}
    unavailable: dict[str, str] = {}
    for name, value in dimensions.items():
        try:
            values[name] = round(value(), 4)
        except Unavailable as reason:
            unavailable[name] = str(reason)
    return values, unavailable


def _environment(kit: Kit, material: Material, picture: Image.Image) -> float:
    """Likeness of the place to its photo, person and product covered in both alike."""
    product = material.product(picture.size)
    found = regions(material.layout, product)
    others = to_mask(1 - found.kept_place)
    photo = collage(material.photo, Image.new("RGBA", picture.size), material.layout)
    return image_likeness(kit, covered(picture, others), covered(photo, others))


def _faces(material: Material, picture: Image.Image) -> tuple[Image.Image, Image.Image]:
    """The face in the picture and the portrait's, both square and framed alike.

    Raises:
        Unavailable: the framing shows nobody.
    """
    if material.portrait is None or material.layout.face is None:
        raise Unavailable("the picture shows nobody")
    return crop_square(picture, material.layout.face), crop_square(material.portrait, PORTRAIT_HEAD)


def _identity(kit: Kit, material: Material, picture: Image.Image) -> float:
    """Likeness of the face to the portrait: by the bundle's face reader, or by CLIP where it has none."""
    faces = _faces(material, picture)
    if kit.face_reader is None:
        return image_likeness(kit, *faces)
    found, wanted = read_faces(kit.face_reader, faces)
    return same_person(found, wanted)


def _features(kit: Kit, material: Material, picture: Image.Image) -> float:
    """How far the face shows the features that were chosen for the persona."""
    face, _ = _faces(material, picture)
    persona = material.inputs.shot.persona
    if kit.face_reader is None or persona is None:
        raise Unavailable("the bundle has no face reader")
    share = agreement(kit.face_reader, read_faces(kit.face_reader, [face])[0], persona.face)
    if share is None:
        raise Unavailable("no feature was chosen that the face reader knows")
    return share
