"""Faces in photographs: how many, how they look at us, and whose they are."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from generation.scene.layout import Box
from generation.scene.scene import Scene
from generation.score.likeness import Unavailable
from generation.score.scoring_models import FaceMatcher
from generation.vision.faces import Face, aligned, likeness
from generation.vision.models import VisionModels
from generation.vision.portrait import frontality

_LARGE = 0.35
"""A face from brow to chin is about so much of the height of a head with its hair."""
_SAME_PLACE = 0.6
_SMALLEST = 40
"""Pixels of a face from which the recogniser was tried."""


def faces_as_asked(vision: VisionModels, scene: Scene, picture: Image.Image) -> float:
    """0 to 1: one face where the person is to be, as large as was asked and seen from the front; 0 for none, for
    another one beside it, and for one where nobody is to be seen. Faces of the photo and of the product do not count.

    Raises:
        Unavailable: the detector does not see the face in the portrait either.
    """
    box = scene.material.layout.face
    if box is not None:
        _portrait_face(vision, scene)
    found = _drawn_faces(vision, scene, picture)
    if box is None:
        return 0.0 if found else 1.0
    if len(found) != 1 or not _is_within(found[0], box, picture.size):
        return 0.0
    (face,) = found
    return min(1.0, face.edge / (_LARGE * box.height * picture.height)) * frontality(face)


def same_face(vision: VisionModels, scene: Scene, picture: Image.Image, matcher: FaceMatcher | None = None) -> float:
    """Likeness of the largest face where the person is to be to the portrait's, 0 to 1
    (:func:`generation.vision.faces.likeness`, or ``matcher``'s); 0 where no face is found.

    Raises:
        Unavailable: nobody is shown, the portrait has no face that is found, or the face is too small to be recognised.
    """
    box, person = scene.material.layout.face, scene.material.person
    if box is None or person is None:
        raise Unavailable("the picture shows nobody")
    wanted = _portrait_face(vision, scene)
    face = shown_face(vision, scene, picture)
    if face is None:
        return 0.0
    if face.edge < _SMALLEST:
        raise Unavailable(f"the face has {face.edge:.0f} pixels, from {_SMALLEST} on it can be recognised")
    if matcher is not None:
        return matcher.likeness((picture, face), (person, wanted))
    one, other = vision.recogniser.describe([aligned(picture, face), aligned(person, wanted)])
    return likeness(one, other)


def shown_face(vision: VisionModels, scene: Scene, picture: Image.Image) -> Face | None:
    """The largest face where the person is to be; ``None`` where there is none, or nobody is to be seen."""
    box = scene.material.layout.face
    found = vision.faces.detect(picture) if box is not None else ()
    within = [face for face in found if box is not None and _is_within(face, box, picture.size)]
    return max(within, key=lambda each: each.edge, default=None)


def _portrait_face(vision: VisionModels, scene: Scene) -> Face:
    if scene.material.person is None:
        raise Unavailable("the picture shows nobody")
    found = vision.faces.detect(scene.material.person)
    if not found:
        raise Unavailable("no face is found in the portrait, so none can be looked for in the picture")
    return max(found, key=lambda each: each.edge)


def _drawn_faces(vision: VisionModels, scene: Scene, picture: Image.Image) -> list[Face]:
    """Faces that are neither the photo's nor the product's: whoever is there already is there in the backdrop."""
    before = vision.faces.detect(scene.backdrop)
    return [face for face in vision.faces.detect(picture) if not _is_one_of(face, before)]


def _is_one_of(face: Face, others: Sequence[Face]) -> bool:
    return any(
        abs(face.middle[0] - other.middle[0]) + abs(face.middle[1] - other.middle[1])
        < _SAME_PLACE * max(face.edge, other.edge)
        for other in others
    )


def _is_within(face: Face, box: Box, size: tuple[int, int]) -> bool:
    left, top, right, bottom = box.pixels(size)
    return left <= face.middle[0] <= right and top <= face.middle[1] <= bottom
