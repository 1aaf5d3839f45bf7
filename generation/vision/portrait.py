"""What a portrait must be to stand for a person in every shot: one face, seen from the front, large and sharp."""

from __future__ import annotations

import numpy as np
from PIL import Image

from generation.vision.faces import Face, FaceDetector

_AIR = 1.6
"""Edge of a face crop as a multiple of the face's: with brow, chin and some hair, as face adapters were trained."""
_AIRS = (1.4, _AIR, 1.9)
"""Of the crops that are a person's reference together: what they have in common is the face."""
_LARGE = 0.2
"""Share of the picture's shorter edge from which a face is large enough."""
_EDGE = 96
_SHARP = 6.0


def face_crops(detector: FaceDetector, portrait: Image.Image) -> list[Image.Image]:
    """Squares round the largest face with more and more air; the whole portrait where no face is found."""
    faces = detector.detect(portrait)
    if not faces:
        return [portrait]
    largest = max(faces, key=lambda face: face.edge)
    return [crop_face(portrait, largest, air) for air in _AIRS]


def crop_face(picture: Image.Image, face: Face, air: float = _AIR) -> Image.Image:
    """:func:`face_square` of ``picture``."""
    return picture.crop(face_square(picture.size, face, air))


def face_square(size: tuple[int, int], face: Face, air: float = _AIR) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a square of ``air`` times the edge of ``face`` round it, moved rather than cut
    where it would leave the picture of ``size``."""
    edge = min(air * face.edge, *size)
    left = min(max(0.0, face.middle[0] - edge / 2), size[0] - edge)
    top = min(max(0.0, face.middle[1] - edge / 2), size[1] - edge)
    return round(left), round(top), round(left + edge), round(top + edge)


def suitability(detector: FaceDetector, portrait: Image.Image) -> float:
    """How well ``portrait`` serves as the reference of a person, 0 to 1: the product of the detector's certainty and of
    how far the face is frontal, large and sharp. 0 unless it shows exactly one face."""
    faces = detector.detect(portrait)
    if len(faces) != 1:
        return 0.0
    (face,) = faces
    large = min(1.0, face.edge / (_LARGE * min(portrait.size)))
    return face.score * large * frontality(face) * _sharpness(crop_face(portrait, face))


def frontality(face: Face) -> float:
    """1 for eyes that are level and lie evenly about the middle of the face, 0 for a profile."""
    (left_x, left_y), (right_x, right_y) = face.eyes
    apart = max(1.0, right_x - left_x)
    turned = abs((left_x + right_x) / 2 - face.middle[0]) / apart
    tilted = abs(right_y - left_y) / apart
    return max(0.0, 1 - turned) * max(0.0, 1 - tilted)


def _sharpness(face: Image.Image) -> float:
    """Spread of the Laplacian at one size for all (variance of Laplacian, Pech-Pacheco et al., 2000), saturating."""
    luma = np.asarray(face.convert("L").resize((_EDGE, _EDGE), Image.Resampling.BICUBIC), dtype=np.float32)
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * luma[1:-1, 1:-1]
    spread = float(laplacian.std())
    return spread / (spread + _SHARP)
