"""What is drawn: masks that agree with the scene, features that show, repeatable pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from brief.face_spec import CHOICES, FaceSpec
from training.world import pool
from training.world.kernels import params as p
from training.world.personas import persona_from_face
from training.world.picture import (
    environment_mask,
    face_mask,
    packshot_rgba,
    product_mask,
    render_scenes,
)
from training.world.places import NAMES, WorldPlace
from training.world.products import KINDS, WorldProduct
from training.world.scene import Scene, View

# The first picture compiles the kernels: half a minute on a free machine, several on a busy one.
pytestmark = pytest.mark.timeout(600)
PLAN = pool.Plan(seed=2)
FACE = FaceSpec(
    gender_expression="masculine", age_band="adult", skin_tone=5, hair_style="ponytail", hair_colour="brown",
    fringe="none", facial_hair="none", glasses="round", lines="none", makeup="none", freckles=False, moles=False,
    head_pose="front", expression="neutral", wardrobe="t-shirt", wardrobe_pattern="plain", wardrobe_colour="red",
)  # fmt: skip


def _scene(view: View) -> Scene:
    return Scene(view, 7, pool.persona(PLAN, 0), pool.product(PLAN, 0), WorldPlace("beach", 1))


@pytest.mark.parametrize("view", list(View))
def test_masks_show_what_the_view_holds(view: View) -> None:
    scene = _scene(view)
    _, ids = render_scenes([scene], 40)
    assert face_mask(ids).any() == scene.has_person
    assert product_mask(ids).any() == scene.has_product
    assert environment_mask(ids).any()
    assert not (face_mask(ids) & product_mask(ids)).any()


@pytest.mark.parametrize("view", [View.HELD, View.PLINTH, View.CLOSE_UP])
def test_the_product_is_right_of_the_face(view: View) -> None:
    _, ids = render_scenes([_scene(view)], 40)
    assert np.nonzero(product_mask(ids[0]))[1].mean() > np.nonzero(face_mask(ids[0]))[1].mean() + 10


def test_drawing_again_gives_the_same_bytes() -> None:
    first, again = (render_scenes([_scene(View.HELD)], 32) for _ in range(2))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])


def test_a_place_looks_the_same_behind_different_people() -> None:
    scenes = [_scene(View.HELD), replace(_scene(View.HELD), persona=pool.persona(PLAN, 5), seed=8)]
    images, ids = render_scenes(scenes, 40)
    backdrop = (ids == p.BACKDROP).all(axis=0)
    assert backdrop.sum() > 100
    differs = np.abs(images[0].astype(int) - images[1]).max(axis=-1)[backdrop] > 1
    assert differs.mean() < 0.05, "more than the antialiased edges of the people differs"


@pytest.mark.parametrize("field", [*CHOICES, "skin_tone", "freckles", "moles"])
def test_every_feature_of_the_casting_sheet_shows(field: str) -> None:
    values: tuple[object, ...] = CHOICES.get(field, (True, False) if field != "skin_tone" else tuple(range(1, 11)))
    faces = [FaceSpec.from_mapping(FACE.chosen() | {field: value}) for value in values]
    images, _ = render_scenes([Scene(View.PORTRAIT, 3, persona_from_face(face, 1)) for face in faces], 64)
    for first in range(len(values)):
        for second in range(first):
            change = np.abs(images[first].astype(int) - images[second]).sum(axis=-1) > 24
            assert change.sum() >= 6, f"{values[first]} looks like {values[second]}"


def test_identity_shows_although_no_caption_tells_it() -> None:
    complete = persona_from_face(FACE, 1).face
    images, _ = render_scenes([Scene(View.PORTRAIT, 3, persona_from_face(complete, seed)) for seed in (1, 2)], 64)
    assert (np.abs(images[0].astype(int) - images[1]).sum(axis=-1) > 24).sum() > 60


def test_a_head_turned_left_looks_to_the_left_edge() -> None:
    faces = [replace(FACE, head_pose=pose, glasses="none") for pose in ("turned left", "turned right")]
    _, ids = render_scenes([Scene(View.PORTRAIT, 3, persona_from_face(face, 1)) for face in faces], 64)
    left, right = (np.nonzero(parts == p.EYE)[1].mean() for parts in ids)
    assert left < right


@pytest.mark.parametrize("kind", KINDS)
def test_a_packshot_is_whole_and_on_white(kind: str) -> None:
    product = WorldProduct(kind, "matte", "striped", "red", "navy")
    images, ids = render_scenes([Scene(View.PACKSHOT, 1, product=product)], 48)
    inside = product_mask(ids[0])
    assert not inside[[0, -1]].any() and not inside[:, [0, -1]].any()
    down, across = np.nonzero(inside)
    assert 34 <= max(np.ptp(down), np.ptp(across)) <= 44
    assert (images[0][[0, -1]] == 255).all()


def test_packshots_have_soft_alpha_only_at_their_edge() -> None:
    product = WorldProduct("mug", "matte", "plain", "red", "navy")
    alpha = packshot_rgba(Scene(View.PACKSHOT, 1, product=product), 48)[..., 3]
    assert set(np.unique(alpha)) > {0, 255}
    assert ((alpha > 0) & (alpha < 255)).mean() < 0.12


def test_every_place_is_another_picture() -> None:
    images, _ = render_scenes([Scene(View.PHOTO, 1, place=WorldPlace(name, 1)) for name in NAMES], 16)
    assert len({image.tobytes() for image in images}) == len(NAMES)


def test_a_view_without_its_person_is_refused() -> None:
    with pytest.raises(ValueError, match="shows a person"):
        Scene(View.HELD, 1, product=pool.product(PLAN, 0))
