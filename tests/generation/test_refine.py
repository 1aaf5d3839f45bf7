"""Refinement: the better picture is kept, and the product's pixels are its own at any size."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from safetensors.torch import save_file

from brief.types import Words
from generation.bundle.card import BundleError, hash_file, read_card
from generation.bundle.load import Bundle, load
from generation.compose import lay_out
from generation.models import Models
from generation.painter import Repaint
from generation.scene.light import match_light, relight
from generation.scene.scene import delivered_scene
from generation.score.pixels import product_similarity, sharpness
from generation.studio import Studio
from tests.generation.conftest import picture
from tests.generation.takes import inputs


@pytest.mark.parametrize("size", [(64, 64), (160, 160), (96, 120)])
def test_a_refined_picture_has_the_size_that_was_asked_and_true_product_pixels(
    bundle: Bundle, packshot: Image.Image, size: tuple[int, int]
) -> None:
    studio = Studio(Models.of(bundle))
    take = inputs(packshot, 1, width=size[0], height=size[1])
    (composed,) = studio.compose([take])
    (made,) = studio.refine([replace(take, picture=composed.image)])
    assert made.image is not None
    assert made.image.size == size
    product = delivered_scene(bundle.card, take).product
    assert product_similarity(made.image, product) > 0.97
    # Within a feather of two pixels every pixel is the packshot's own, after its resize.
    inside = np.asarray(product.getchannel("A").filter(ImageFilter.MinFilter(5))) == 255
    assert inside.sum() > 30
    assert np.array_equal(np.asarray(made.image)[inside], np.asarray(product.convert("RGB"))[inside])
    box = product.getchannel("A").getbbox()
    assert box is not None
    resized = take.cutout.image.resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.LANCZOS)
    apart = np.asarray(product.crop(box), dtype=int) - np.asarray(resized, dtype=int)
    assert np.abs(apart[inside[box[1] : box[3], box[0] : box[2]]]).max() <= 1


def test_a_net_of_ones_own_needs_its_file_and_spandrel(
    miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    net = tmp_path / "sharp.safetensors"
    net.write_bytes(b"a net")
    own = {"file": str(net), "licence": "CC0-1.0", "sha256": hash_file(net)}
    card = read_card(miniature)
    assert replace(card, upscaler=own).fingerprint != card.fingerprint
    assert replace(card, upscaler=own).fingerprint == replace(card, upscaler={**own, "file": "elsewhere"}).fingerprint
    bundle = load(miniature, "cpu")
    for changes, why in (({"sha256": "0" * 64}, "not the file whose sha256"), ({}, "install the extra `upscaler`")):
        with pytest.raises(BundleError, match=why):
            Models.of(replace(bundle, card=replace(card, upscaler=own | changes)))


@pytest.mark.filterwarnings("ignore")  # of spandrel's own code
def test_a_net_of_ones_own_enlarges_and_leaves_no_stand_in_behind(
    miniature: Path, packshot: Image.Image, tmp_path: Path
) -> None:
    """Real-ESRGAN's compact architecture with random values, as its publishers write it."""
    torch.manual_seed(0)
    numbers = {"body.0": (8, 3), "body.2": (8, 8), "body.4": (12, 8)}
    state = {f"{name}.weight": 0.1 * torch.randn(*shape, 3, 3) for name, shape in numbers.items()}
    state |= {f"{name}.bias": torch.zeros(shape[0]) for name, shape in numbers.items()}
    state |= {f"body.{at}.weight": torch.full((8,), 0.2) for at in (1, 3)}
    net = tmp_path / "sharp.safetensors"
    save_file(state, net)
    bundle = load(miniature, "cpu")
    own = {"file": str(net), "licence": "CC0-1.0", "sha256": hash_file(net)}
    models = Models.of(replace(bundle, card=replace(bundle.card, upscaler=own)))
    assert models.upscaler is not None
    shown = picture(5, (20, 14))
    assert models.upscaler.upscale(shown).size == (40, 28)
    assert "torchvision" not in sys.modules
    take = replace(inputs(packshot, 0, width=128, height=128), picture=picture(5, (64, 64)))
    (made,) = Studio(models).refine([take])
    assert made.image is not None and made.image.size == (128, 128)
    assert made.notes[0] == "size: enlarged 2.00 times by sharp"


def test_every_step_says_whether_it_was_kept(bundle: Bundle, packshot: Image.Image) -> None:
    (made,) = Studio(Models.of(bundle)).refine([replace(inputs(packshot, 0), picture=picture(5, (64, 64)))])
    assert [note.split(":")[0] for note in made.notes] == ["light", "polish", "texture"]


def test_the_image_encoder_looks_once_at_what_each_step_made(bundle: Bundle, packshot: Image.Image) -> None:
    """With the originals it knows already: more than that was half of the time that refining took on a CPU."""
    studio, take = Studio(Models.of(bundle)), inputs(packshot, 0)
    (composed,) = studio.compose([take])
    before = studio.counts.image_forwards
    (made,) = studio.refine([replace(take, picture=composed.image)])
    assert studio.counts.image_forwards - before == 1 + len(made.notes)


def test_a_soft_picture_gets_sharper_and_a_draft_is_not_polished(bundle: Bundle, packshot: Image.Image) -> None:
    soft = picture(5, (64, 64))
    (made,) = Studio(Models.of(bundle)).refine([replace(inputs(packshot, 3, recipe="draft"), picture=soft)])
    assert made.image is not None
    assert sharpness(made.image, 64) >= sharpness(soft, 64)
    assert not any(note.startswith("polish") for note in made.notes)


def test_refining_together_equals_refining_alone(bundle: Bundle, packshot: Image.Image) -> None:
    studio = Studio(Models.of(bundle))
    takes = [replace(inputs(packshot, number), picture=picture(5 + number, (64, 64))) for number in range(3)]
    together = {made.key: made for made in studio.refine(takes)}
    for take in takes:
        (alone,) = studio.refine([take])
        image = together[take.key].image
        assert image is not None and alone.image is not None
        assert alone.notes == together[take.key].notes
        assert np.abs(np.asarray(image, dtype=int) - np.asarray(alone.image, dtype=int)).max() <= 3


def test_light_moves_towards_the_place_under_the_mask_only() -> None:
    image, place = Image.new("RGB", (40, 40), (60, 60, 160)), Image.new("RGB", (40, 40), (240, 190, 120))
    mask = Image.new("L", (40, 40))
    mask.paste(255, (0, 0, 20, 40))
    made = np.asarray(match_light(image, place, mask), dtype=int)
    assert made[0, 0, 0] > 80
    assert np.abs(made[:, 20:] - np.asarray(image, dtype=int)[:, 20:]).max() <= 1


def test_a_person_is_darker_by_night_and_never_brighter_by_day() -> None:
    figure = Image.new("RGBA", (8, 8), (180, 140, 120, 255))
    figure.putpixel((0, 0), (0, 0, 0, 0))
    studio = Image.new("RGB", (64, 64), (235, 235, 235))
    night = relight(figure, studio, Image.new("RGB", (9, 9), (30, 20, 70)))
    day = relight(figure, studio, Image.new("RGB", (9, 9), (250, 250, 250)))
    red, green, blue = np.asarray(night)[4, 4, :3] / (180, 140, 120)
    assert green < red < blue < 0.9
    assert day.getpixel((4, 4)) == (180, 140, 120, 255)
    assert night.getchannel("A").tobytes() == figure.getchannel("A").tobytes()


ASTRONAUT = Path(__file__).parent / "vision" / "pictures" / "astronaut.png"
EYES_BETWEEN = (113, 64)
"""About the middle of the face in it, in pixels."""


def _with_the_astronaut(face: tuple[int, int], scale: float) -> Image.Image:
    """A picture of 256 x 256 with her face at ``face``."""
    photo = Image.open(ASTRONAUT).convert("RGB")
    photo = photo.resize((round(photo.width * scale), round(photo.height * scale)))
    made = picture(5, (256, 256))
    made.paste(photo, (round(face[0] - scale * EYES_BETWEEN[0]), round(face[1] - scale * EYES_BETWEEN[1])))
    return made


@pytest.fixture(scope="module")
def photographic(bundle: Bundle) -> Models:
    """The stand-in as a bundle of models of photographs: it has models that find faces."""
    return Models.of(replace(bundle, card=replace(bundle.card, words=Words(prefix="photo of"))))


def test_a_small_face_is_drawn_again_and_a_large_one_is_not(photographic: Models, packshot: Image.Image) -> None:
    take = inputs(packshot, 0, width=256, height=256)
    assert take.layout.face is not None
    left, top, right, bottom = take.layout.face.pixels((256, 256))
    middle = ((left + right) // 2, (top + bottom) // 2)
    for scale, again in ((1.0, True), (3.0, False)):
        (made,) = Studio(photographic).refine([replace(take, picture=_with_the_astronaut(middle, scale))])
        assert any(note.startswith("face:") for note in made.notes) == again, (scale, made)


def test_where_a_face_alone_is_drawn_nothing_counts_but_the_person(photographic: Models, packshot: Image.Image) -> None:
    plain = inputs(packshot, 0)
    takes = [plain, replace(plain, photo=picture(71)), replace(plain, portrait=picture(72, (64, 64)))]
    scenes = [lay_out(photographic.painter, take) for take in takes]
    crop = picture(8, (64, 64))
    own, place, person = (
        np.asarray(image, dtype=int)
        for image in photographic.painter.repaint([Repaint(scene, crop, 0.5, face_only=True) for scene in scenes])
    )
    assert np.abs(own - place).max() <= 2
    assert np.abs(own - person).max() > 2
    assert np.abs(own - np.asarray(crop, dtype=int)).max() > 2


def test_enlarging_says_how(bundle: Bundle, packshot: Image.Image) -> None:
    for edge, how in ((64, None), (72, "1.12 times by Lanczos"), (160, "2.50 times by realesr-animevideov3")):
        take = replace(inputs(packshot, 0, width=edge, height=edge), picture=picture(5, (64, 64)))
        (made,) = Studio(Models.of(bundle)).refine([take])
        assert [note for note in made.notes if note.startswith("size")] == ([f"size: enlarged {how}"] if how else [])
