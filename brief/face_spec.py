"""The chosen features of a persona's face: a casting sheet that code can check.

Every field is optional: what is not chosen is left to the seed. Closed fields take the values in :data:`CHOICES`;
skin tone is a step of the Monk Skin Tone scale (Monk, 2019, https://skintone.google), 1 lightest to 10 darkest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, get_type_hints

CHOICES: dict[str, tuple[str, ...]] = {
    "age_band": ("young adult", "adult", "middle-aged", "senior"),
    "gender_expression": ("feminine", "masculine", "androgynous"),
    "face_shape": ("oval", "round", "square", "long", "heart"),
    "eye_colour": ("brown", "hazel", "green", "blue", "grey"),
    "eye_shape": ("almond", "round", "hooded", "wide"),
    "brows": ("thin", "thick", "arched", "straight"),
    "nose": ("small", "straight", "broad", "long"),
    "lips": ("thin", "full"),
    "hair_style": ("bald", "cropped", "quiff", "loose", "bob", "bun", "ponytail", "afro"),
    "hair_length": ("short", "medium", "long"),
    "hair_texture": ("straight", "wavy", "curly"),
    "hair_colour": ("black", "brown", "blonde", "red", "grey", "white", "pink", "blue"),
    "fringe": ("none", "straight"),
    "facial_hair": ("none", "moustache", "goatee", "beard", "full beard"),
    "lines": ("none", "fine", "deep"),
    "glasses": ("none", "round", "square"),
    "glasses_colour": ("black", "red", "blue", "beige"),
    "makeup": ("none", "natural", "bold"),
    "expression": ("neutral", "smiling", "grinning"),
    "head_pose": ("front", "turned left", "turned right"),
    "wardrobe": ("t-shirt", "turtleneck", "hoodie", "shirt"),
    "wardrobe_colour": (
        "red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "white", "black", "navy",
    ),
    "wardrobe_pattern": ("plain", "striped"),
}  # fmt: skip
"""Allowed values of every closed text field."""

MAX_NOTES = 300
"""Longest free text, in characters."""


class FaceSpecError(ValueError):
    """A casting sheet holds something that is not allowed; names the field and what is."""


@dataclass(frozen=True, slots=True)
class FaceSpec:
    """Chosen features of a face.

    All fields default to ``None``: not chosen. ``head_pose`` is seen from the viewer ("turned left" faces the left
    edge of the picture). ``notes`` is free text that is added to the prompt as it stands.

    Raises:
        FaceSpecError: a value outside :data:`CHOICES`, a skin tone outside 1 to 10, notes over :data:`MAX_NOTES`.
    """

    age_band: str | None = None
    gender_expression: str | None = None
    skin_tone: int | None = None
    face_shape: str | None = None
    eye_colour: str | None = None
    eye_shape: str | None = None
    brows: str | None = None
    nose: str | None = None
    lips: str | None = None
    hair_style: str | None = None
    hair_length: str | None = None
    hair_texture: str | None = None
    hair_colour: str | None = None
    fringe: str | None = None
    facial_hair: str | None = None
    freckles: bool | None = None
    moles: bool | None = None
    lines: str | None = None
    glasses: str | None = None
    glasses_colour: str | None = None
    makeup: str | None = None
    expression: str | None = None
    head_pose: str | None = None
    wardrobe: str | None = None
    wardrobe_colour: str | None = None
    wardrobe_pattern: str | None = None
    notes: str | None = None

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in allowed:
                raise FaceSpecError(f"{name}: {value!r} is not one of {', '.join(allowed)}")
        tone = self.skin_tone
        if tone is not None and (isinstance(tone, bool) or not isinstance(tone, int) or not 1 <= tone <= 10):
            raise FaceSpecError(f"skin_tone: {tone!r} is not a whole number from 1 to 10 (Monk scale)")
        for name in ("freckles", "moles"):
            if getattr(self, name) not in (None, True, False):
                raise FaceSpecError(f"{name}: {getattr(self, name)!r} is not true or false")
        self._check_notes()

    def _check_notes(self) -> None:
        if self.notes is None:
            return
        if not isinstance(self.notes, str):
            raise FaceSpecError(f"notes: {self.notes!r} is not text")
        if len(self.notes) > MAX_NOTES:
            raise FaceSpecError(f"notes: {len(self.notes)} characters, at most {MAX_NOTES} are allowed")

    def chosen(self) -> dict[str, Any]:
        """The fields that were chosen, in the order of the casting sheet, as plain JSON values."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> FaceSpec:
        """Build from JSON values; empty text counts as not chosen.

        Raises:
            FaceSpecError: an unknown field (the message lists the known ones) or a value that is not allowed.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise FaceSpecError(f"{unknown[0]}: no such feature; known are {', '.join(sorted(known))}")
        return cls(**{name: value for name, value in values.items() if value not in (None, "")})


FIELD_TYPES: dict[str, Any] = get_type_hints(FaceSpec)
"""Type of every field, for forms that are drawn from the casting sheet."""
