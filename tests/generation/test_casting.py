"""Casting: of several candidates the best photograph of one face, and its face is what the face adapter is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter, ImageOps

from brief.types import Persona, Words
from generation.bundle.load import Bundle
from generation.compose import lay_out
from generation.face import CANDIDATES, ROUNDS, draw_portraits
from generation.models import Models
from generation.painter import Painter
from generation.painters.stable_diffusion.painter import StableDiffusion
from generation.studio import Studio
from generation.vision.faces import Face
from generation.vision.models import VisionModels
from generation.vision.portrait import face_crops, frontality, suitability
from tests.generation.takes import ADA, inputs

PICTURES = Path(__file__).parent / "vision" / "pictures"


@pytest.fixture(scope="module")
def vision() -> VisionModels:
    return VisionModels()


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return Image.open(PICTURES / "astronaut.png").convert("RGB")


@dataclass
class Album:
    """Stands for a painter: gives prepared pictures, one for each candidate."""

    pictures: Sequence[Image.Image]
    asked: list[int]

    def portraits(self, personas: Sequence[Persona]) -> list[Image.Image]:
        self.asked += [persona.seed for persona in personas]
        return [self.pictures[(len(self.asked) - 1) % len(self.pictures)] for _ in personas]


def _pair(picture: Image.Image) -> Image.Image:
    pair = Image.new("RGB", (2 * picture.width, picture.height))
    pair.paste(picture, (0, 0))
    pair.paste(ImageOps.mirror(picture), (picture.width, 0))
    return pair


def test_one_sharp_face_is_more_suitable_than_a_blurred_one_two_or_none(
    vision: VisionModels, astronaut: Image.Image
) -> None:
    sharp = suitability(vision.faces, astronaut)
    assert 0 < suitability(vision.faces, astronaut.filter(ImageFilter.GaussianBlur(1))) < sharp <= 1
    assert suitability(vision.faces, _pair(astronaut)) == 0
    assert suitability(vision.faces, Image.open(PICTURES / "coffee.jpg").convert("RGB")) == 0


def test_a_turned_face_is_less_frontal() -> None:
    front = Face(1.0, (0, 0, 100, 100), ((30, 40), (70, 40)))
    turned = replace(front, eyes=((20, 40), (50, 40)))
    tilted = replace(front, eyes=((30, 40), (70, 60)))
    assert frontality(front) == 1
    assert 0 <= frontality(turned) < 0.7
    assert frontality(tilted) == pytest.approx(0.5)


def test_the_best_candidate_becomes_the_portrait(bundle: Bundle, vision: VisionModels, astronaut: Image.Image) -> None:
    coffee = Image.open(PICTURES / "coffee.jpg").convert("RGB")
    album = Album([coffee, astronaut.filter(ImageFilter.GaussianBlur(1)), astronaut, _pair(astronaut)], [])
    (portrait,) = draw_portraits(replace(Models.of(bundle), painter=cast("Painter", album), vision=vision), [ADA])
    assert portrait.image is astronaut
    assert portrait.candidates == tuple(album.pictures)
    assert portrait.notes[0].startswith("casting: candidate 3 of 4, suitability 0.")
    assert album.asked[0] == ADA.seed
    assert len(set(album.asked)) == CANDIDATES


def test_of_suitable_candidates_the_one_with_the_features_is_chosen(
    bundle: Bundle, vision: VisionModels, astronaut: Image.Image
) -> None:
    """A words model that reads her in the mirrored picture, and nobody in the others, even the sharpest."""
    fitting = ImageOps.mirror(astronaut.filter(ImageFilter.GaussianBlur(0.5)))

    class Reader:
        steepness = 100.0

        def words(self, texts: Sequence[str]) -> list[torch.Tensor]:
            assert "pink hair" in texts[0]
            return [torch.tensor([1.0, 0.0])]

        def images(self, images: Sequence[Image.Image]) -> list[torch.Tensor]:
            return [torch.tensor([0.3 if image is fitting else 0.2, 1.0]) for image in images]

    models = Models.of(bundle)
    album = Album([astronaut, fitting, _pair(astronaut), astronaut], [])
    scoring = replace(models.scoring, words=Reader())
    casting = replace(models, painter=cast("Painter", album), vision=vision, scoring=scoring)
    (portrait,) = draw_portraits(casting, [ADA])
    assert portrait.image is fitting
    assert portrait.notes[0].endswith("features 1.00 of the best")


def test_candidates_without_a_face_are_said(bundle: Bundle, vision: VisionModels) -> None:
    coffee = Image.open(PICTURES / "coffee.jpg").convert("RGB")
    album = Album([coffee], [])
    (portrait,) = draw_portraits(replace(Models.of(bundle), painter=cast("Painter", album), vision=vision), [ADA])
    assert portrait.notes == ("casting: none of 8 candidates shows exactly one face; look at it",)


def test_only_a_persona_without_a_usable_portrait_is_drawn_again(
    bundle: Bundle, vision: VisionModels, astronaut: Image.Image
) -> None:
    """The first round of both, then the second of the one that has none, in which a face comes."""
    coffee = Image.open(PICTURES / "coffee.jpg").convert("RGB")
    eve = replace(ADA, name="eve", seed=77)
    asked: list[str] = []

    class Painter:
        def portraits(self, personas: Sequence[Persona]) -> list[Image.Image]:
            asked.extend(persona.name for persona in personas)
            late = asked.count("eve") > CANDIDATES + 1
            return [astronaut if persona.name == "ada" or late else coffee for persona in personas]

    ada, other = draw_portraits(replace(Models.of(bundle), painter=cast("Any", Painter()), vision=vision), [ADA, eve])
    assert (asked.count("ada"), asked.count("eve")) == (CANDIDATES, ROUNDS * CANDIDATES)
    assert ada.image is other.image is astronaut
    assert other.notes[0].startswith("casting: candidate 6 of 8")


def test_a_bundle_of_photographs_casts_and_the_starters_kind_does_not(bundle: Bundle) -> None:
    photographic = replace(bundle, card=replace(bundle.card, words=Words(prefix="photo of")))
    counts = []
    for each in (bundle, photographic):
        before = each.counts.unet_forwards
        (made,) = Studio(Models.of(each)).faces({"ada": ADA})
        assert made.image is not None
        counts.append(each.counts.unet_forwards - before)
        assert bool(made.notes) == (each is photographic)
    assert counts[1] == ROUNDS * CANDIDATES * counts[0]


def test_the_face_adapter_is_shown_the_face(
    bundle: Bundle, vision: VisionModels, astronaut: Image.Image, packshot: Image.Image
) -> None:
    """A portrait's picture below and beside the face no longer decides what the face looks like."""
    other = astronaut.copy()
    other.paste((0, 90, 0), (0, 160, astronaut.width, astronaut.height))
    takes = [replace(inputs(packshot, 0), portrait=portrait) for portrait in (astronaut, other)]
    apart = []
    for painter in (StableDiffusion.of(bundle), StableDiffusion.of(bundle, vision)):
        one, two = (painter.shown(lay_out(painter, take))["face"][0].resize((32, 32)) for take in takes)
        apart.append(np.abs(np.asarray(one, dtype=int) - np.asarray(two, dtype=int)).mean())
    assert 3 * apart[1] < apart[0]
    crops = face_crops(vision.faces, astronaut)
    assert all(abs(crop.width - crop.height) <= 1 and crop.width < 0.7 * astronaut.width for crop in crops)
    assert [crop.width for crop in crops] == sorted({crop.width for crop in crops})


def test_several_crops_are_one_reference(
    bundle: Bundle, vision: VisionModels, astronaut: Image.Image, packshot: Image.Image
) -> None:
    """The face adapter is told their mean."""
    painter = StableDiffusion.of(bundle, vision)
    take = replace(inputs(packshot, 0), portrait=astronaut)
    (sample,) = painter.samples([lay_out(painter, take)])
    found = painter.images.encode(face_crops(vision.faces, astronaut))
    assert len(found) == 3
    mean = torch.stack([each.hidden for each in found]).mean(0)
    assert torch.allclose(sample.images["face"][0], mean)
    assert not torch.allclose(found[0].hidden, mean, atol=1e-3)


def test_a_portrait_without_a_face_is_shown_whole(vision: VisionModels) -> None:
    coffee = Image.open(PICTURES / "coffee.jpg").convert("RGB")
    assert face_crops(vision.faces, coffee) == [coffee]
