"""People of the world: a full casting sheet, and sixteen numbers that no caption tells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from brief.face_spec import CHOICES, FaceSpec
from training.world.splits import Split, digest_number, next_seed, split_of

IDENTITY_SIZE = 16

Weights = dict[str, float]

_HAIR_STYLE: dict[str, Weights] = {
    "feminine": {"bald": 2, "cropped": 8, "quiff": 6, "loose": 24, "bob": 20, "bun": 14, "ponytail": 14, "afro": 12},
    "masculine": {"bald": 16, "cropped": 28, "quiff": 28, "loose": 6, "bob": 2, "bun": 4, "ponytail": 6, "afro": 10},
    "androgynous": {"bald": 8, "cropped": 20, "quiff": 16, "loose": 14, "bob": 14, "bun": 8, "ponytail": 9, "afro": 9},
}  # fmt: skip
_FACIAL_HAIR: dict[str, Weights] = {
    "feminine": {"none": 1},
    "masculine": {"none": 36, "moustache": 16, "goatee": 14, "beard": 18, "full beard": 16},
    "androgynous": {"none": 90, "moustache": 10},
}
_HAIR_COLOUR: dict[str, Weights] = {
    "young adult": {"black": 26, "brown": 24, "blonde": 18, "red": 14, "pink": 9, "blue": 9},
    "adult": {"black": 28, "brown": 26, "blonde": 18, "red": 14, "pink": 7, "blue": 7},
    "middle-aged": {"black": 24, "brown": 24, "blonde": 16, "red": 12, "grey": 20, "pink": 2, "blue": 2},
    "senior": {"grey": 40, "white": 50, "brown": 5, "black": 5},
}
_LINES: dict[str, Weights] = {
    "young adult": {"none": 100},
    "adult": {"none": 80, "fine": 20},
    "middle-aged": {"none": 10, "fine": 70, "deep": 20},
    "senior": {"fine": 30, "deep": 70},
}
_MAKEUP: dict[str, Weights] = {
    "feminine": {"none": 30, "natural": 35, "bold": 35},
    "masculine": {"none": 96, "natural": 2, "bold": 2},
    "androgynous": {"none": 60, "natural": 20, "bold": 20},
}
_PLAIN: dict[str, Weights] = {
    "age_band": {"young adult": 34, "adult": 26, "middle-aged": 20, "senior": 20},
    "gender_expression": {"feminine": 42, "masculine": 42, "androgynous": 16},
    "glasses": {"none": 60, "round": 20, "square": 20},
    "wardrobe_pattern": {"plain": 68, "striped": 32},
    "hair_texture": {"straight": 45, "wavy": 25, "curly": 30},
}
_WITH_FRINGE = ("loose", "bob", "bun", "ponytail")
_WITH_LENGTH = ("loose", "bob", "ponytail", "afro")


@dataclass(frozen=True, slots=True, eq=False)
class WorldPersona:
    """``face`` has every feature chosen; ``identity`` [16] holds unit normals cut at 2.2 that shape bones, features and
    their places. A persona's head pose and expression may be changed from scene to scene; nothing else is."""

    seed: int
    face: FaceSpec
    identity: npt.NDArray[np.float64]

    def posed(self, head_pose: str, expression: str) -> WorldPersona:
        """The same person with another pose and expression."""
        return replace(
            self, face=FaceSpec.from_mapping(self.face.chosen() | {"head_pose": head_pose, "expression": expression})
        )


def _weights(field: str, face: FaceSpec) -> Weights:
    """How often each value of a field is drawn, given the fields drawn before it."""
    gender = face.gender_expression or "androgynous"
    age = face.age_band or "adult"
    conditional = {
        "hair_style": _HAIR_STYLE[gender],
        "facial_hair": _FACIAL_HAIR[gender],
        "makeup": _MAKEUP[gender],
        "hair_colour": _HAIR_COLOUR[age],
        "lines": _LINES[age],
    }
    if field == "fringe":
        return {"none": 1, "straight": 1} if face.hair_style in _WITH_FRINGE else {"none": 1}
    if field == "hair_length" and face.hair_style == "loose":
        return {"short": 1, "medium": 2, "long": 2}
    return conditional.get(field) or _PLAIN.get(field) or dict.fromkeys(CHOICES[field], 1.0)


def complete_face(face: FaceSpec, seed: int) -> FaceSpec:
    """Choose from the seed what the casting sheet leaves open, plausibly (grey hair for seniors, no beard for women).

    A field's draw depends on the seed, the field and the fields before it, never on how many were open.
    """
    for field in CHOICES:
        if getattr(face, field) is None:
            odds = _weights(field, face)
            values = list(odds)
            share = np.cumsum([odds[value] for value in values]) / sum(odds.values())
            at = np.random.default_rng(digest_number(f"{field} {seed}")).random()
            choice: dict[str, Any] = {field: values[int(np.searchsorted(share, at, side="right"))]}
            face = replace(face, **choice)
    rng = np.random.default_rng(digest_number(f"skin {seed}"))
    tone, freckled, moles = int(rng.integers(1, 11)), bool(rng.random() < 0.22), bool(rng.random() < 0.25)
    return replace(
        face,
        skin_tone=face.skin_tone or tone,
        freckles=(freckled and (face.skin_tone or tone) <= 6) if face.freckles is None else face.freckles,
        moles=moles if face.moles is None else face.moles,
    )


def persona_from_face(face: FaceSpec, seed: int) -> WorldPersona:
    """The person of a casting sheet and a seed."""
    rng = np.random.default_rng(digest_number(f"identity {seed}"))
    return WorldPersona(seed, complete_face(face, seed), rng.standard_normal(IDENTITY_SIZE).clip(-2.2, 2.2))


def draw_persona(seed: int, split: Split) -> WorldPersona:
    """A person of a split; seeds of the other split lead on to the next that belongs."""
    while split_of(f"persona {seed}") != split:
        seed = next_seed(seed)
    return persona_from_face(FaceSpec(), seed)


def captioned(face: FaceSpec) -> FaceSpec:
    """The features worth telling: without those that the rest makes meaningless or invisible."""
    drop: dict[str, None] = {}
    if face.hair_style == "bald":
        drop |= dict.fromkeys(("hair_length", "hair_texture", "hair_colour", "fringe"))
    elif face.hair_style not in _WITH_LENGTH:
        drop["hair_length"] = None
    if face.hair_style == "afro":
        drop |= dict.fromkeys(("hair_texture", "fringe"))
    if face.hair_style in ("cropped", "quiff"):
        drop["fringe"] = None
    if face.glasses == "none":
        drop["glasses_colour"] = None
    return replace(face, **drop)
