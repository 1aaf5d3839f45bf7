"""The words that go to the text encoder."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from brief.face_spec import FaceSpec
from brief.prompts import describe_face, portrait_prompt, shot_prompt
from brief.types import Framing
from tests.brief.test_face_spec import FACES
from tests.storage.samples import environment, product

FACE = FaceSpec(
    age_band="senior",
    gender_expression="feminine",
    skin_tone=5,
    hair_style="bob",
    hair_texture="curly",
    hair_colour="white",
    eye_colour="blue",
    facial_hair="none",
    freckles=False,
    glasses="round",
    glasses_colour="red",
    wardrobe="shirt",
    wardrobe_colour="navy",
    wardrobe_pattern="striped",
)


def test_a_face_reads_as_a_sentence_part() -> None:
    assert describe_face(FACE) == (
        "a senior woman with olive skin, curly white bob hair, blue eyes, clean shaven, no freckles, "
        "red round glasses, wearing a navy striped shirt"
    )
    assert describe_face(FaceSpec()) == "a person"
    assert describe_face(FaceSpec(age_band="adult")) == "an adult person"
    assert portrait_prompt(FaceSpec(hair_style="bald")) == "portrait of a person with a bald head, in a white studio"


@pytest.mark.parametrize(
    ("framing", "words"),
    [
        (Framing.HELD, "a person holding a red mug, on a beach, a person, autumn light"),
        (Framing.PLINTH, "a person beside a red mug on a plinth, on a beach, a person, autumn light"),
        (Framing.CLOSE_UP, "close-up of a red mug before a person, on a beach, a person, autumn light"),
        (Framing.STILL, "a red mug on a plinth, on a beach, autumn light"),
    ],
)
def test_each_framing_has_its_sentence_with_product_and_place_first(framing: Framing, words: str) -> None:
    assert shot_prompt(product(), environment(), FaceSpec(), framing, " autumn light ") == words


def test_a_framing_with_a_person_needs_one() -> None:
    with pytest.raises(ValueError, match="'held' shows a person, but no persona was given"):
        shot_prompt(product(), environment(), None, Framing.HELD)


@settings(deadline=None)
@given(FACES)
def test_any_face_gives_clean_words(face: FaceSpec) -> None:
    words = describe_face(face)
    assert words.startswith(("a ", "an "))
    if face.notes is None:
        assert "  " not in words
        assert ", ," not in words
        assert "None" not in words
