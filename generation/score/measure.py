"""Measures a take in every dimension. What the numbers mean for it is judged elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from brief.prompts import take_prompt
from brief.types import Measurements
from generation.bundle.card import BundleCard
from generation.scene.cutout import PORTRAIT_HEAD
from generation.scene.material import Material, Result
from generation.scene.regions import to_mask
from generation.scene.scene import Scene
from generation.score.face_reader import agreement, read_faces, same_person
from generation.score.likeness import Unavailable, covered, crop_square, image_likeness, prompt_likeness
from generation.score.product import product_similarity
from generation.score.scoring_models import ScoringModels
from generation.score.technical import exposure, sharpness


def score_picture(scoring: ScoringModels, card: BundleCard, material: Material) -> Result:
    """Measure the refined picture of one take.

    Raises:
        ValueError: an image is missing or cannot be read.
    """
    recipe = card.recipe_for(material.shot.recipe, material.take.changes)
    scene = Scene(material, recipe, material.before.size)
    measured = measure(scoring, card, scene, material.before)
    return Result(material.key, measured=measured, cutout=material.cutout.image)


def measure(scoring: ScoringModels, card: BundleCard, scene: Scene, picture: Image.Image) -> Measurements:
    """Every dimension of ``picture`` (RGB, of the scene's size) that can be measured, and why the others cannot."""
    words = take_prompt(scene.material.shot, scene.material.take)
    dimensions: dict[str, Callable[[], float]] = {
        "sharpness": lambda: sharpness(picture, max(card.width, card.height)),
        "exposure": lambda: exposure(picture),
        "product": lambda: product_similarity(picture, scene.product),
        "cutout": lambda: scene.material.cutout.outline.wholeness,
        "prompt": lambda: prompt_likeness(scoring, picture, words),
        "environment": lambda: _environment(scoring, scene, picture),
        "identity": lambda: _identity(scoring, scene, picture),
        "features": lambda: _features(scoring, scene, picture),
    }
    values: dict[str, float] = {}
    unavailable: dict[str, str] = {}
    for name, value in dimensions.items():
        try:
            values[name] = round(value(), 4)
        except Unavailable as reason:
            unavailable[name] = str(reason)
    return Measurements(values, unavailable, scorers=scoring.fingerprint)


def _environment(scoring: ScoringModels, scene: Scene, picture: Image.Image) -> float:
    """Likeness of the place to its photo, person and product covered in both alike."""
    others = to_mask(1 - scene.regions.kept_place)
    return image_likeness(scoring, covered(picture, others), covered(scene.plate, others))


def _faces(scene: Scene, picture: Image.Image) -> tuple[Image.Image, Image.Image]:
    """The face in the picture and the portrait's, both square and framed alike.

    Raises:
        Unavailable: the framing shows nobody.
    """
    person, face = scene.material.person, scene.material.layout.face
    if person is None or face is None:
        raise Unavailable("the picture shows nobody")
    return crop_square(picture, face), crop_square(person, PORTRAIT_HEAD)


def _identity(scoring: ScoringModels, scene: Scene, picture: Image.Image) -> float:
    """Likeness of the face to the portrait: by the bundle's face reader, or by CLIP where it has none."""
    faces = _faces(scene, picture)
    if scoring.face_reader is None:
        return image_likeness(scoring, *faces)
    found, wanted = read_faces(scoring.face_reader, faces)
    return same_person(found, wanted)


def _features(scoring: ScoringModels, scene: Scene, picture: Image.Image) -> float:
    """How far the face shows the features that were chosen for the persona."""
    face, _ = _faces(scene, picture)
    persona = scene.material.shot.persona
    if scoring.face_reader is None or persona is None:
        raise Unavailable("the bundle has no face reader")
    share = agreement(scoring.face_reader, read_faces(scoring.face_reader, [face])[0], persona.face)
    if share is None:
        raise Unavailable("no feature was chosen that the face reader knows")
    return share
