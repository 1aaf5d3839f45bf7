"""Which chosen features a photographed face shows, by a words model: of each feature's values the one whose words fit
best (zero-shot classification, Radford et al., 2021, arXiv:2103.00020).

What cannot be read so is left out: shapes of eyes, brows, nose and lips, for which words are too coarse; moles and
lines, which are too small; and age, gender and skin tone, by which no picture of a person is judged here.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from PIL import Image
from torch.nn import functional

from generation.scene.scene import Scene
from generation.score.faces import shown_face
from generation.score.likeness import Unavailable
from generation.score.scoring_models import WordsClip
from generation.vision.models import VisionModels
from generation.vision.portrait import crop_face

_AIR = 2.4
"""Edge of what is looked at as a multiple of the face's: a head with its hair and the collar."""
_SMALLEST = 40
"""Pixels of a face from which its features can be told."""

WORDS: Mapping[str, Mapping[str | bool, str]] = {
    "eye_colour": {colour: f"a face with {colour} eyes" for colour in ("brown", "hazel", "green", "blue", "grey")},
    "hair_style": {
        "bald": "a bald person",
        "cropped": "a person with cropped hair",
        "quiff": "a person with a quiff",
        "loose": "a person with loose hair",
        "bob": "a person with bob hair",
        "bun": "a person with hair in a bun",
        "ponytail": "a person with hair in a ponytail",
        "afro": "a person with afro hair",
    },
    "hair_length": {length: f"a person with {length} hair" for length in ("short", "medium", "long")},
    "hair_texture": {texture: f"a person with {texture} hair" for texture in ("straight", "wavy", "curly")},
    "hair_colour": {
        colour: f"a person with {colour} hair"
        for colour in ("black", "brown", "blonde", "red", "grey", "white", "pink", "blue")
    },
    "fringe": {"none": "a person with a bare forehead", "straight": "a person with a straight fringe"},
    "facial_hair": {
        "none": "a clean shaven face",
        "moustache": "a face with a moustache",
        "goatee": "a face with a goatee",
        "beard": "a face with a beard",
        "full beard": "a face with a full beard",
    },
    "freckles": {True: "a face with freckles", False: "a face with clear skin"},
    "glasses": {
        "none": "a face",
        "round": "a face with round glasses",
        "square": "a face with square glasses",
    },
    "glasses_colour": {colour: f"a person wearing {colour} glasses" for colour in ("black", "red", "blue", "beige")},
    "makeup": {
        "none": "a face without makeup",
        "natural": "a face with light makeup",
        "bold": "a face with bold makeup",
    },
    "expression": {
        "neutral": "a face with a neutral expression",
        "smiling": "a smiling face",
        "grinning": "a grinning face",
    },
}
"""Per feature that can be told the words of each of its values. What is absent is not named: such models read the noun
and not the "without"."""


def features_by_words(words: WordsClip, vision: VisionModels, scene: Scene, picture: Image.Image) -> float:
    """How far the face shows the features that were chosen, 0 to 1: the mean over features of the probability of the
    asked value, relative to the most probable one's.

    Raises:
        Unavailable: nobody is shown, no feature was chosen that words can tell, or no face is found that is large
            enough.
    """
    persona, face = scene.material.shot.persona, shown_face(vision, scene, picture)
    if persona is None:
        raise Unavailable("the picture shows nobody")
    asked = {field: value for field, value in persona.face.chosen().items() if field in WORDS}
    if not asked:
        raise Unavailable("no feature was chosen that words can tell")
    if face is None:
        raise Unavailable("no face is found where the person is to be, so no feature of it can be told")
    if face.edge < _SMALLEST:
        raise Unavailable(f"the face has {face.edge:.0f} pixels, from {_SMALLEST} on its features can be told")
    found = read_features(words, crop_face(picture, face, _AIR), tuple(asked))
    return sum(found[field][value] / max(found[field].values()) for field, value in asked.items()) / len(asked)


def read_features(words: WordsClip, head: Image.Image, fields: tuple[str, ...]) -> dict[str, dict[str | bool, float]]:
    """Per field of :data:`WORDS` the probability of each of its values, by the model's own logits."""
    (seen,) = words.images([head])
    found = {}
    for field in fields:
        values = WORDS[field]
        read = torch.stack(words.words([f"a photo of {each}" for each in values.values()]))
        logits = words.steepness * functional.cosine_similarity(seen[None], read, dim=-1)
        found[field] = dict(zip(values, logits.softmax(0).tolist(), strict=True))
    return found
