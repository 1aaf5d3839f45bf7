"""Scores that a words model or a CLIP of photographs gives: features of a face, and whether two places are the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from brief.face_spec import FaceSpec
from brief.recipe import Recipe
from brief.types import Persona
from generation.scene.scene import Scene
from generation.score.features import WORDS, features_by_words, read_features
from generation.score.likeness import Unavailable
from generation.score.scales import CAPTIONS, caption_scale, place_scale
from generation.vision.models import VisionModels
from tests.generation.takes import inputs

PORTRAIT = Path(__file__).parent / "vision" / "pictures" / "astronaut.png"
SIZE = (384, 384)


@pytest.fixture(scope="module")
def vision() -> VisionModels:
    return VisionModels()


class Reader:
    """A words model that sees certain words in every picture, and is shown which part of it."""

    steepness = 100.0

    def __init__(self, *sees: str) -> None:
        self._sees, self.looked_at = sees, list[Image.Image]()

    def images(self, images: Sequence[Image.Image]) -> list[Tensor]:
        self.looked_at += images
        return [torch.tensor([1.0, 0.0])] * len(images)

    def words(self, texts: Sequence[str]) -> list[Tensor]:
        fits = (any(text.endswith(seen) for seen in self._sees) for text in texts)
        return [torch.tensor([0.3, 0.954]) if fit else torch.tensor([0.25, 0.968]) for fit in fits]


def scene(packshot: Image.Image, number: int = 0, **features: str | bool) -> Scene:
    """A shot of the astronaut, of whom these features were chosen."""
    material = inputs(packshot, number)
    shot = material.shot
    persona = Persona("ada", FaceSpec.from_mapping(features), 1) if shot.persona else None
    portrait = Image.open(PORTRAIT).convert("RGB")
    return Scene(replace(material, shot=replace(shot, persona=persona), portrait=portrait), Recipe(), SIZE)


def shown(scene: Scene) -> Image.Image:
    """The backdrop with the astronaut's head where the person is to be."""
    made = scene.backdrop.copy()
    portrait, box = Image.open(PORTRAIT).convert("RGB"), scene.material.layout.face
    assert box is not None
    left, top, right, bottom = box.pixels(SIZE)
    head = portrait.crop(tuple(round(share * portrait.width) for share in (0.31, 0.05, 0.59, 0.36)))  # type: ignore[arg-type]
    made.paste(head.resize((right - left, bottom - top)), (left, top))
    return made


def test_chosen_features_are_told_by_which_words_fit_the_face_best(vision: VisionModels, packshot: Image.Image) -> None:
    reader = Reader("round glasses", "red hair")
    as_asked = scene(packshot, glasses="round", hair_colour="red")
    assert features_by_words(reader, vision, as_asked, shown(as_asked)) == 1
    (head,) = reader.looked_at
    assert head.width < SIZE[0]
    half = scene(packshot, glasses="round", hair_colour="blue")
    assert 0.5 <= features_by_words(reader, vision, half, shown(half)) < 0.55
    none = scene(packshot, glasses="none", hair_colour="blue")
    assert features_by_words(reader, vision, none, shown(none)) < 0.05


def test_every_value_that_can_be_chosen_has_words_and_age_gender_and_skin_are_not_judged(packshot: Image.Image) -> None:
    for field, values in WORDS.items():
        for value in values:
            assert FaceSpec.from_mapping({field: value}).chosen() == {field: value}
        read = read_features(Reader(next(iter(values.values()))), packshot, (field,))[field]
        assert max(read, key=lambda value: read[value]) == next(iter(values))
        assert sum(read.values()) == pytest.approx(1, abs=1e-5)
    assert not {"age_band", "gender_expression", "skin_tone"} & set(WORDS)


def test_without_a_face_or_a_chosen_feature_nothing_is_said(vision: VisionModels, packshot: Image.Image) -> None:
    reader = Reader("round glasses")
    empty = scene(packshot, glasses="round")
    for each, said in (
        (empty, "no face is found where the person is to be"),
        (scene(packshot, age_band="senior"), "no feature was chosen that words can tell"),
        (scene(packshot, 3), "shows nobody"),
    ):
        with pytest.raises(Unavailable, match=said):
            features_by_words(reader, vision, each, each.backdrop)


class Colours:
    """An encoder that knows small pictures by their colours, more or less far apart."""

    def __init__(self, alike: float) -> None:
        self._alike = alike

    def images(self, images: Sequence[Image.Image]) -> list[Tensor]:
        small = [image.resize((6, 6), Image.Resampling.BOX).tobytes() for image in images]
        seen = [functional.normalize(torch.tensor(list(each)).float() - 128, dim=0) for each in small]
        return [torch.cat([each, torch.full((1,), self._alike)]) for each in seen]

    def words(self, texts: Sequence[str]) -> None:
        return None


def cosine(clip: Colours, one: Image.Image, other: Image.Image) -> float:
    first, second = clip.images([one, other])
    return float(functional.cosine_similarity(first, second, dim=0))


@pytest.mark.parametrize("alike", [0.0, 2.0])
def test_each_encoder_has_a_scale_on_which_the_same_place_is_above_a_half(vision: VisionModels, alike: float) -> None:
    clip = Colours(alike)
    scale = place_scale(clip, vision.places[:12])
    forest, lobby = vision.places[5], vision.places[8]
    near = forest.crop((6, 6, 150, 150))
    assert scale.probability(cosine(clip, forest, near)) > 0.5 > scale.probability(cosine(clip, forest, lobby))


def test_the_same_cosine_means_another_thing_to_another_encoder(vision: VisionModels) -> None:
    found: list[Callable[[float], float]] = [place_scale(Colours(each), vision.places).probability for each in (0, 2)]
    assert found[0](0.8) > 0.7
    assert found[1](0.8) < 0.1


def test_an_encoder_that_takes_all_places_for_the_same_says_nothing(vision: VisionModels) -> None:
    class Blind(Colours):
        def images(self, images: Sequence[Image.Image]) -> list[Tensor]:
            return [torch.randn(64, generator=torch.Generator().manual_seed(at)) for at in range(len(images))]

    with pytest.raises(Unavailable, match="does not tell places apart"):
        place_scale(Blind(0), vision.places).probability(0.9)


def test_the_places_that_ship_are_sixteen_different_ones(vision: VisionModels) -> None:
    assert len(vision.places) == 16
    assert {place.size for place in vision.places} == {(160, 160)}
    assert len({place.tobytes() for place in vision.places}) == 16


@pytest.mark.parametrize("knows", [True, False])
def test_a_clip_of_words_finds_its_scale_by_captioned_photographs(vision: VisionModels, knows: bool) -> None:
    class Captions(Reader):
        def images(self, images: Sequence[Image.Image]) -> list[Tensor]:
            return list(torch.cat([torch.eye(len(images)), 2 * torch.ones(len(images), 1)], dim=1))

        def words(self, texts: Sequence[str]) -> list[Tensor]:
            return self.images([Image.new("RGB", (1, 1))] * len(texts))[:: 1 if knows else -1]

    assert len(CAPTIONS) == len(vision.places)
    scale = caption_scale(Captions(), vision.places)
    if knows:
        assert scale.probability(1.0) > 0.5 > scale.probability(0.8)
    else:
        with pytest.raises(Unavailable, match="does not tell what captions say apart"):
            scale.probability(0.9)
