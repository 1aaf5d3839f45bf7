"""The chosen features of a persona's face: a casting sheet that code can check.

Every field is optional: what is not chosen is left to the seed. Closed fields take the values in :data:`CHOICES`;
skin tone is a step of the Monk Skin Tone scale (Monk, 2019, https://skintone.google), 1 lightest to 10 darkest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from brief.errors import BriefError
from brief.limits import LEGIBLE, LIMITED, shown

MAX_NOTES = 300
"""Longest free text, in characters."""


class FaceSpecError(BriefError):
    """A casting sheet holds something that is not allowed; names the field and what is."""


def _yes_or_no(value: Any) -> Any:
    if value not in (None, True, False, "true", "false") or (value in (0, 1) and not isinstance(value, bool)):
        raise ValueError("is not true or false")
    return value


def _step(value: Any) -> Any:
    if isinstance(value, bool | float):
        raise ValueError("is not a whole number from 1 to 10 (Monk scale)")
    return value


YesNo = Annotated[bool, BeforeValidator(_yes_or_no)]


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class FaceSpec:
    """Chosen features of a face.

    All fields default to ``None``: not chosen. ``head_pose`` is seen from the viewer ("turned left" faces the left
    edge of the picture). ``notes`` is free text that is added to the prompt as it stands.

    Raises:
        pydantic.ValidationError: a value that a field's type does not have.
    """

    age_band: Literal["young adult", "adult", "middle-aged", "senior"] | None = None
    gender_expression: Literal["feminine", "masculine", "androgynous"] | None = None
    skin_tone: Annotated[int, Field(ge=1, le=10), BeforeValidator(_step)] | None = None
    face_shape: Literal["oval", "round", "square", "long", "heart"] | None = None
    eye_colour: Literal["brown", "hazel", "green", "blue", "grey"] | None = None
    eye_shape: Literal["almond", "round", "hooded", "wide"] | None = None
    brows: Literal["thin", "thick", "arched", "straight"] | None = None
    nose: Literal["small", "straight", "broad", "long"] | None = None
    lips: Literal["thin", "full"] | None = None
    hair_style: Literal["bald", "cropped", "quiff", "loose", "bob", "bun", "ponytail", "afro"] | None = None
    hair_length: Literal["short", "medium", "long"] | None = None
    hair_texture: Literal["straight", "wavy", "curly"] | None = None
    hair_colour: Literal["black", "brown", "blonde", "red", "grey", "white", "pink", "blue"] | None = None
    fringe: Literal["none", "straight"] | None = None
    facial_hair: Literal["none", "moustache", "goatee", "beard", "full beard"] | None = None
    freckles: YesNo | None = None
    moles: YesNo | None = None
    lines: Literal["none", "fine", "deep"] | None = None
    glasses: Literal["none", "round", "square"] | None = None
    glasses_colour: Literal["black", "red", "blue", "beige"] | None = None
    makeup: Literal["none", "natural", "bold"] | None = None
    expression: Literal["neutral", "smiling", "grinning"] | None = None
    head_pose: Literal["front", "turned left", "turned right"] | None = None
    wardrobe: Literal["t-shirt", "turtleneck", "hoodie", "shirt"] | None = None
    wardrobe_colour: Literal[
        "red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "white", "black", "navy",
    ] | None = None  # fmt: skip
    wardrobe_pattern: Literal["plain", "striped"] | None = None
    notes: Annotated[str, Field(max_length=MAX_NOTES), LEGIBLE, LIMITED] | None = None

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
        try:
            return cls(**{name: value for name, value in values.items() if value not in (None, "")})
        except ValidationError as error:
            raise FaceSpecError(_first(error)) from error


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    name, given = str(first["loc"][0]), first["input"]
    if name in CHOICES:
        return f"{name}: {shown(given)!r} is not one of {', '.join(CHOICES[name])}"
    if first["type"] == "string_too_long":
        return f"{name}: {len(given)} characters, at most {MAX_NOTES} are allowed"
    if first["type"] == "value_error" and name == "notes":
        return f"{name}: {first['msg'].removeprefix('Value error, ')}"
    return f"{name}: {given!r} {_REASONS[name]}"


_REASONS = {
    "skin_tone": "is not a whole number from 1 to 10 (Monk scale)",
    "freckles": "is not true or false",
    "moles": "is not true or false",
    "notes": "is not text",
}


def _choices() -> dict[str, tuple[str, ...]]:
    found = {}
    for name, hint in get_type_hints(FaceSpec).items():
        closed = next((part for part in get_args(hint) if get_args(part) and isinstance(get_args(part)[0], str)), None)
        if closed is not None:
            found[name] = get_args(closed)
    return found


CHOICES: dict[str, tuple[str, ...]] = _choices()
"""Allowed values of every closed text field."""
