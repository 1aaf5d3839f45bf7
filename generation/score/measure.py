"""Measures a take in every dimension. What the numbers mean for it is judged elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping

from PIL import Image

from brief.dimensions import BY_NAME
from brief.prompts import take_prompt
from brief.types import Measurements
from generation.bundle.card import BundleCard
from generation.scene.cutout import PORTRAIT_HEAD, on_white
from generation.scene.material import Material, Result
from generation.scene.regions import to_mask
from generation.scene.scene import Scene
from generation.score.face_reader import FaceReader, agreement, read_faces, same_person
from generation.score.faces import faces_as_asked, same_face
from generation.score.features import features_by_words
from generation.score.label import label_agreement
from generation.score.likeness import Unavailable, covered, crop_square, image_likeness, prompt_likeness
from generation.score.pixels import altered_shares, exposure, product_similarity, sharpness
from generation.score.safety import safety
from generation.score.scoring_models import ScoringModels


def score_picture(scoring: ScoringModels, card: BundleCard, material: Material, hint: str | None) -> Result:
    """Measure the refined picture of one take.

    Args:
        hint: of the painter, which decides with the recipe what is kept.

    Raises:
        ValueError: an image is missing or cannot be read.
    """
    recipe = card.recipe_for(material.shot.recipe, material.take.changes)
    scene = Scene(material, recipe, material.before.size, hint)
    measured = measure(scoring, card, scene, material.before)
    return Result(material.key, measured=measured, cutout=material.cutout.image)


def measure(
    scoring: ScoringModels, card: BundleCard, scene: Scene, picture: Image.Image, *, but: Container[str] = ()
) -> Measurements:
    """Every dimension of ``picture`` (RGB, of the scene's size) that can be measured, and why the others cannot.

    What the recipe keeps to the end is compared with the originals pixel by pixel, instead of being scored for its
    likeness to itself. Where a product's pixels are not all its own, how far they are off is measured besides.

    Args:
        but: dimensions that are not asked for.
    """
    altered = altered_shares(scene, picture)
    if "identity" in altered:  # whose features are the portrait's, pixel by pixel
        altered["features"] = altered["identity"]
    kept = {name for name, share in altered.items() if not share}
    if "product" in kept:
        kept.add("label")
    values: dict[str, float] = {}
    unavailable: dict[str, str] = {}
    for name, value in _measures(scoring, card, scene, picture).items():
        if name in but or name in kept or (name in altered and name != "product"):
            continue
        try:
            values[name] = round(value(), 4)
        except Unavailable as reason:
            unavailable[name] = str(reason)
    return Measurements(
        values,
        unavailable,
        kept=tuple(name for name in BY_NAME if name in kept),
        altered={name: share for name, share in altered.items() if share},
        scorers=scoring.fingerprint,
    )


def _measures(
    scoring: ScoringModels, card: BundleCard, scene: Scene, picture: Image.Image
) -> Mapping[str, Callable[[], float]]:
    return {
        "sharpness": lambda: sharpness(picture, max(card.width, card.height)),
        "exposure": lambda: exposure(picture, scene.collage),
        "product": lambda: product_similarity(picture, scene.product),
        "label": lambda: label_agreement(picture, scene.product),
        "cutout": lambda: scene.material.cutout.outline.wholeness,
        "prompt": lambda: _prompt(scoring, scene, picture),
        "environment": lambda: _environment(scoring, scene, picture),
        "faces": lambda: _faces(scoring, card, scene, picture),
        "identity": lambda: _identity(scoring, scene, picture),
        "features": lambda: _features(scoring, scene, picture),
        "safety": lambda: safety(scoring, picture),
    }


def _prompt(scoring: ScoringModels, scene: Scene, picture: Image.Image) -> float:
    """Likeness of the picture to its words, on the encoder's calibrated scale."""
    words = take_prompt(scene.material.shot, scene.material.take)
    if scoring.domain is not None and (strange := scoring.domain.unknown_word(words)):
        raise Unavailable(f"{strange!r} is in no caption that the bundle's CLIP learnt from")
    _check_domain(scoring, "product", on_white(scene.material.cutout.image))
    _check_domain(scoring, "place", scene.material.place)
    return scoring.scaled("prompt", prompt_likeness(scoring, picture, words))


def _environment(scoring: ScoringModels, scene: Scene, picture: Image.Image) -> float:
    """Likeness of the place to its photo, person and product covered in both alike, on the encoder's scale."""
    _check_domain(scoring, "place", scene.material.place)
    others = to_mask(1 - scene.regions.kept_place)
    value = image_likeness(scoring, covered(picture, others), covered(scene.plate, others))
    return scoring.scaled("environment", value)


def _faces(scoring: ScoringModels, card: BundleCard, scene: Scene, picture: Image.Image) -> float:
    if scoring.vision is None or not card.words.prefix:
        raise Unavailable("the face detector knows photographs, and the bundle draws none")
    return faces_as_asked(scoring.vision, scene, picture)


def _identity(scoring: ScoringModels, scene: Scene, picture: Image.Image) -> float:
    """Likeness of the face to the portrait: by the bundle's own face reader where the portrait is of its world, else
    by the recogniser for photographs."""
    if scoring.face_reader is not None and not _is_foreign(scoring, scene):
        found, wanted = read_faces(scoring.face_reader, _heads(scene, picture))
        return same_person(found, wanted)
    if scoring.vision is None:
        raise Unavailable("nothing that recognises faces is loaded")
    return same_face(scoring.vision, scene, picture, scoring.matcher)


def _features(scoring: ScoringModels, scene: Scene, picture: Image.Image) -> float:
    """How far the face shows the features that were chosen: by the bundle's own face reader where it has one, else by
    the words model."""
    reader, persona = scoring.face_reader, scene.material.shot.persona
    if persona is None:
        raise Unavailable("the picture shows nobody")
    if reader is not None:
        if _is_foreign(scoring, scene):
            raise Unavailable("the portrait is of another world than the bundle's face reader")
        return _agreement(reader, scene, picture)
    if scoring.words is None or scoring.vision is None:
        raise Unavailable("the bundle has no face reader and no words model ([source] words)")
    return features_by_words(scoring.words, scoring.vision, scene, picture)


def _agreement(reader: FaceReader, scene: Scene, picture: Image.Image) -> float:
    persona = scene.material.shot.persona
    reading = read_faces(reader, [_heads(scene, picture)[0]])[0]
    share = agreement(reader, reading, persona.face) if persona else None
    if share is None:
        raise Unavailable("no feature was chosen that the face reader knows")
    return share


def _heads(scene: Scene, picture: Image.Image) -> tuple[Image.Image, Image.Image]:
    """The head in the picture and the portrait's, both square and framed alike.

    Raises:
        Unavailable: the framing shows nobody.
    """
    person, face = scene.material.person, scene.material.layout.face
    if person is None or face is None:
        raise Unavailable("the picture shows nobody")
    return crop_square(picture, face), crop_square(person, PORTRAIT_HEAD)


def _is_foreign(scoring: ScoringModels, scene: Scene) -> bool:
    """Whether the portrait is none that the bundle can have drawn."""
    person = scene.material.person
    if scoring.domain is None or scoring.clip is None or person is None:
        return False
    return scoring.domain.is_foreign("portrait", scoring.clip.images([person])[0])


def _check_domain(scoring: ScoringModels, kind: str, image: Image.Image) -> None:
    """See that the bundle's CLIP can know an original of this shot.

    Raises:
        Unavailable: it is foreign to it.
    """
    if scoring.domain is None or scoring.clip is None:
        return
    if scoring.domain.is_foreign(kind, scoring.clip.images([image])[0]):
        raise Unavailable(f"the bundle's CLIP was trained on pictures unlike this {kind}")
