"""The words that go to the text encoder."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from brief.face_spec import FaceSpec
from brief.prompts import (
    describe_face,
    portrait_negative,
    portrait_prompt,
    shot_negative,
    shot_prompt,
    with_article,
)
from brief.types import Framing, Words
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


PHOTO = Words(prefix="photo of", negative="blurry, watermark")


@pytest.mark.parametrize(
    ("framing", "words"),
    [
        (Framing.HELD, "photo of a senior woman holding a red mug, on a beach"),
        (Framing.PLINTH, "photo of a senior woman beside a red mug on a plinth, on a beach"),
        (Framing.CLOSE_UP, "close-up photo of a red mug in front of a senior woman, on a beach"),
    ],
)
def test_models_of_photographs_are_told_of_one_person_and_of_nothing_that_is_absent(
    framing: Framing, words: str
) -> None:
    face = "olive skin, curly white bob hair, blue eyes, clean shaven, red round glasses, wearing a navy striped shirt"
    assert shot_prompt(product(), environment(), FACE, framing, "autumn", PHOTO) == f"{words}, {face}, autumn"


def test_a_still_is_told_of_nobody() -> None:
    words = shot_prompt(product(), environment(), None, Framing.STILL, words=PHOTO)
    assert words == "photo of a red mug on a plinth, on a beach"
    assert shot_negative("dust", None, PHOTO) == "dust, blurry, watermark"


def test_what_was_chosen_to_be_absent_is_avoided() -> None:
    face = FaceSpec(glasses="none", freckles=False, makeup="none", facial_hair="none", fringe="none", moles=True)
    absent = "beard, moustache, fringe, freckles, makeup, glasses"
    assert shot_negative(" dust ", face, PHOTO) == f"dust, {absent}, blurry, watermark"
    assert portrait_negative(face, PHOTO).endswith("glasses, blurry, watermark")
    assert portrait_prompt(face, PHOTO) == (
        "portrait photo of a person, plain white studio background, clean shaven, moles"
    )


def test_words_for_the_starter_are_those_of_its_captions() -> None:
    assert portrait_prompt(FACE, Words()) == portrait_prompt(FACE)
    assert shot_prompt(product(), environment(), FACE, Framing.HELD, words=Words()) == shot_prompt(
        product(), environment(), FACE, Framing.HELD
    )
    assert shot_negative("dust", FACE, Words()) == "dust"
    assert portrait_negative(FACE, Words()) == ""


def test_notes_that_say_no_are_the_teams_own_words() -> None:
    face = FaceSpec(notes="no tattoos visible")
    assert portrait_prompt(face, PHOTO).endswith("no tattoos visible")
    assert "tattoos" not in portrait_negative(face, PHOTO)


def test_the_starter_is_told_of_an_orange_thing() -> None:
    dressed = FaceSpec(wardrobe="hoodie", wardrobe_colour="orange")
    assert describe_face(dressed).endswith("wearing an orange hoodie")
    assert describe_face(FaceSpec(wardrobe_colour="orange")).endswith("wearing orange clothes")
    words = shot_prompt(replace(product(), title="orange mug"), environment(), dressed, Framing.HELD)
    assert words.startswith("a person holding an orange mug, on a beach")


@pytest.mark.parametrize(
    ("noun", "wanted"),
    [
        ("red mug", "a red mug"),
        ("orange mug", "an orange mug"),
        ("unisex jacket", "a unisex jacket"),
        ("umbrella", "an umbrella"),
        ("European oak tray", "a European oak tray"),
        ("hour glass", "an hour glass"),
        ("one-piece swimsuit", "a one-piece swimsuit"),
        ("8-inch pan", "an 8-inch pan"),
        ("glass", "a glass"),
        ("citrus", "a citrus"),
        ("leather gloves", "leather gloves"),
        ("the Classic", "the Classic"),
        ("an umbrella", "an umbrella"),
        ("  tote  ", "a tote"),
    ],
)
def test_articles_are_right(noun: str, wanted: str) -> None:
    assert with_article(noun) == wanted
