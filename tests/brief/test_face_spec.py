"""The casting sheet refuses what is not on it, naming the field and what is allowed."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from brief.face_spec import CHOICES, MAX_NOTES, FaceSpec, FaceSpecError

ADAPTER = TypeAdapter(FaceSpec)
FACES = st.builds(
    FaceSpec,
    **{name: st.none() | st.sampled_from(allowed) for name, allowed in CHOICES.items()},
    skin_tone=st.none() | st.integers(1, 10),
    freckles=st.none() | st.booleans(),
    moles=st.none() | st.booleans(),
    notes=st.none() | st.text(st.characters(categories=("L", "N", "P", "Zs")), min_size=1, max_size=MAX_NOTES),
)


@pytest.mark.parametrize("field", CHOICES)
def test_a_closed_field_names_itself_and_what_is_allowed(field: str) -> None:
    with pytest.raises(FaceSpecError, match=f"^{field}: 'martian' is not one of {CHOICES[field][0]}, "):
        FaceSpec.from_mapping({field: "martian"})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"skin_tone": 0}, "skin_tone: 0 is not a whole number from 1 to 10"),
        ({"skin_tone": 11}, "skin_tone: 11"),
        ({"skin_tone": True}, "skin_tone: True"),
        ({"skin_tone": 2.5}, "skin_tone: 2.5"),
        ({"freckles": "yes"}, "freckles: 'yes' is not true or false"),
        ({"notes": "x" * (MAX_NOTES + 1)}, "notes: 301 characters, at most 300"),
        ({"notes": 7}, "notes: 7 is not text"),
        ({"notes": "a\0b"}, r"notes: character 2 is a control character \(U\+0000\)"),
        ({"hair_color": "red"}, "hair_color: no such feature; known are age_band, "),
    ],
)
def test_what_is_not_allowed_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(FaceSpecError, match=message):
        FaceSpec.from_mapping(values)


def test_empty_text_counts_as_not_chosen() -> None:
    assert FaceSpec.from_mapping({"lips": "", "brows": None, "nose": "broad"}) == FaceSpec(nose="broad")


def test_every_closed_field_has_its_choices() -> None:
    assert {field.name for field in fields(FaceSpec)} - set(CHOICES) == {"skin_tone", "freckles", "moles", "notes"}


@settings(deadline=None)
@given(FACES)
def test_a_face_survives_json_and_its_chosen_fields(face: FaceSpec) -> None:
    assert ADAPTER.validate_json(ADAPTER.dump_json(face)) == face
    assert FaceSpec.from_mapping(face.chosen()) == face
