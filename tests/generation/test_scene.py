"""Where things are: placement, masks that part the picture, change maps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from brief.recipe import Recipe
from brief.types import Framing
from generation.scene.collage import collage, fit, paste_product
from generation.scene.cutout import cut_out, figure_of, place_figure
from generation.scene.layout import Box, Layout, Variation, layout_of, place, standing_surface, working_size
from generation.scene.regions import regions
from tests.generation.conftest import picture
from tests.generation.takes import inputs

SIZE = (128, 128)
SIZES = [SIZE, (128, 160), (108, 192), (192, 108), (192, 128), (96, 256)]
"""1:1, 4:5, 9:16, 16:9, and two between and beyond."""


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("framing", Framing)
def test_the_regions_part_the_picture(framing: Framing, size: tuple[int, int], packshot: Image.Image) -> None:
    layout = layout_of(framing, 5, size, variation=Variation.of(7))
    found = regions(layout, place(cut_out(packshot).image, layout, size))
    total = found.face + found.product + found.place
    assert torch.allclose(total, torch.ones_like(total), atol=1e-6)
    assert min(float(share.min()) for share in (found.face, found.product, found.place)) >= -1e-6
    assert (found.face.max() > 0.9) == framing.has_person
    equal = Recipe(face_strength=0.5, product_strength=0.5, environment_strength=0.5)
    masks = torch.stack(list(found.masks(equal, (16, 16)).values()))
    assert float(masks.sum(0).max()) <= 0.5 + 1e-5


def test_strength_and_area_are_kept_when_masks_shrink(packshot: Image.Image) -> None:
    layout = layout_of(Framing.HELD, 5)
    found = regions(layout, place(cut_out(packshot).image, layout, SIZE))
    masks = found.masks(Recipe(face_strength=1.0, product_strength=0.5, environment_strength=0.25), (16, 16))
    assert float(masks["product"].mean()) == pytest.approx(0.5 * float(found.product.mean()), rel=1e-4)


def test_the_change_map_keeps_the_product_longest_and_frees_the_body(packshot: Image.Image) -> None:
    layout = layout_of(Framing.PLINTH, 5)
    found = regions(layout, place(cut_out(packshot).image, layout, SIZE))
    keep = found.keep(Recipe(product_keep=1.0, environment_keep=0.4, face_keep=0.0), (32, 32))
    assert float(keep.max()) == pytest.approx(1.0, abs=1e-3)
    left, top, right, bottom = layout.face.pixels((32, 32)) if layout.face else (0, 0, 0, 0)
    assert float(keep[(top + bottom) // 2, (left + right) // 2]) == pytest.approx(0, abs=1e-3)
    assert float(keep[0, 0]) == pytest.approx(0.4, abs=1e-3)
    below = (min(31, bottom + 2), (left + right) // 2)
    assert float(keep[below]) == pytest.approx(0, abs=1e-3)
    begun = found.keep(Recipe(product_keep=1.0, environment_keep=0.4, free_keep=0.3), (32, 32))
    assert float(begun[below]) == pytest.approx(0.3, abs=1e-3)


@given(width=st.integers(8, 300), height=st.integers(8, 300), framing=st.sampled_from(Framing), seed=st.integers(0, 99))
def test_a_product_keeps_its_aspect_and_stays_in_its_box(width: int, height: int, framing: Framing, seed: int) -> None:
    layout = layout_of(framing, seed)
    placed = place(Image.new("RGBA", (width, height), (10, 20, 30, 255)), layout, SIZE)
    left, top, right, bottom = placed.getchannel("A").getbbox() or (0, 0, 0, 0)
    box = layout.product.pixels(SIZE)
    assert bottom == box[3]
    assert left >= box[0] - 1 and right <= box[2] + 1 and top >= box[1] - 1
    assert abs((right - left) - (bottom - top) * width / height) <= max(1.0, width / height) + 0.5


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("framing", Framing)
def test_no_head_or_product_is_stretched_or_leaves_the_picture(framing: Framing, size: tuple[int, int]) -> None:
    def shape(box: Box) -> float:
        return box.width * size[0] / (box.height * size[1])

    layout, square = layout_of(framing, 5, size), layout_of(framing, 5)
    for box, usual in ((layout.face, square.face), (layout.product, square.product)):
        assert (box is None) == (usual is None)
        if box is not None and usual is not None:
            assert shape(box) == pytest.approx(shape_of_square(usual), rel=0.08)
            assert 0 <= box.left < box.right <= 1 and 0 <= box.top < box.bottom <= 1
    for seed in range(20):
        varied = layout_of(framing, 5, size, variation=Variation.of(seed))
        for box in (varied.product, *varied.free, *([varied.face] if varied.face else [])):
            assert -1e-9 <= box.left < box.right <= 1 + 1e-9 and -1e-9 <= box.top < box.bottom <= 1 + 1e-9
        support = varied.free[-1]
        assert support.top < varied.product.bottom < support.bottom


def shape_of_square(box: Box) -> float:
    return box.width / box.height


def test_a_product_of_known_height_is_as_large_as_it_is_beside_a_head(packshot: Image.Image) -> None:
    cut = Image.new("RGBA", (50, 100), "red")
    heights = {}
    for height in (None, 13.0, 20.0, 300.0, 1.0):
        layout = layout_of(Framing.PLINTH, 5, height_cm=height)
        box = place(cut, layout, (512, 512)).getchannel("A").getbbox()
        assert box is not None and layout.face is not None
        assert abs(box[3] - layout.product.bottom * 512) <= 1
        heights[height] = (box[3] - box[1]) / (layout.face.height * 512)
    assert heights[20.0] == pytest.approx(20 / 26, rel=0.03)
    assert heights[13.0] == pytest.approx(0.5, rel=0.03)
    assert heights[300.0] == pytest.approx(1.3 * heights[None], rel=0.03)
    assert 0.2 < heights[1.0] < 0.3


@pytest.mark.parametrize("begins", [0.5, 0.7, 0.85])
def test_a_product_stands_on_the_places_surface(begins: float) -> None:
    room = np.full((200, 200, 3), 90, dtype=np.uint8)
    room[:, ::10] = 140  # wall with stripes
    room[round(begins * 200) :] = 190
    found = standing_surface(Image.fromarray(room))
    assert found == pytest.approx(begins, abs=0.03)
    layout = layout_of(Framing.PLINTH, 5, surface=found)
    usual = layout_of(Framing.PLINTH, 5)
    assert layout.product.bottom >= begins + 0.02
    assert layout.product.height == pytest.approx(usual.product.height)
    assert (layout.product == usual.product) == (begins < 0.75)
    assert layout_of(Framing.HELD, 5, surface=found) == layout_of(Framing.HELD, 5)


@pytest.mark.parametrize("photo_size", [(300, 200), (200, 400)])
def test_a_product_stands_on_the_surface_that_was_chosen(packshot: Image.Image, photo_size: tuple[int, int]) -> None:
    """Wherever the photo is cropped: here the surface is the red part, in which nothing tells of one."""
    width, height = photo_size
    begins = 0.66
    photo = Image.effect_noise(photo_size, 90).convert("RGB")
    photo.paste(Image.effect_noise(photo_size, 90).convert("RGB").point(lambda v: v // 2), (0, round(begins * height)))
    for seed in range(4):
        taken = inputs(packshot, 1, width=256, height=256, seed=seed)
        chosen = replace(taken.shot, environment=replace(taken.shot.environment, surface=begins))
        material = replace(taken, shot=chosen, photo=photo)
        marked = Image.new("RGB", photo_size)
        marked.paste("red", (0, round(begins * height), width, height))
        shown = np.asarray(fit(marked, (256, 256), material.variation))[..., 0]
        line = float((shown[:, 128] < 128).sum()) / 256
        wanted = max(replace(taken, photo=Image.new("RGB", photo_size)).layout.product.bottom, min(0.97, line + 0.05))
        assert material.layout.product.bottom == pytest.approx(wanted, abs=0.01)


def test_where_nothing_tells_of_a_surface_none_is_found() -> None:
    noise = np.random.default_rng(2).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    assert standing_surface(Image.fromarray(noise)) is None
    assert standing_surface(Image.new("RGB", (64, 64), "white")) is None


def test_seeds_put_products_on_both_sides() -> None:
    sides = {layout_of(Framing.HELD, seed).product.left > 0.5 for seed in range(12)}
    assert sides == {True, False}


def test_the_collage_is_photo_shadow_and_product(packshot: Image.Image) -> None:
    layout = layout_of(Framing.STILL, 5)
    product = place(cut_out(packshot).image, layout, SIZE)
    photo = picture(3, SIZE)
    made, plain = np.asarray(collage(photo, product, stands=True), dtype=int), np.asarray(photo, dtype=int)
    assert np.abs(made[:20] - plain[:20]).max() == 0
    _, _, _, bottom = product.getchannel("A").getbbox() or (0, 0, 0, 0)
    assert made[bottom + 1, 64].sum() < plain[bottom + 1, 64].sum()


def test_a_head_is_pasted_without_its_plain_wall(packshot: Image.Image) -> None:
    layout = layout_of(Framing.HELD, 5)
    assert layout.face is not None
    portrait = Image.new("RGB", SIZE, "white")
    portrait.paste((90, 50, 30), (45, 40, 83, 90))
    product = place(cut_out(packshot).image, layout, SIZE)
    photo = Image.new("RGB", SIZE, (0, 90, 0))
    made = collage(photo, product, stands=layout.stands, figure=place_figure(figure_of(portrait), layout.face, SIZE))
    left, top, right, bottom = layout.face.pixels(SIZE)
    assert made.getpixel(((left + right) // 2, (top + bottom) // 2)) == (90, 50, 30)
    assert made.getpixel(((left + right) // 2, top + 4)) == (0, 90, 0)


def _on_green(portrait: Image.Image, packshot: Image.Image, layout: Layout) -> Image.Image:
    assert layout.face is not None
    figure = place_figure(figure_of(portrait), layout.face, SIZE)
    product = place(cut_out(packshot).image, layout, SIZE)
    return collage(Image.new("RGB", SIZE, (0, 90, 0)), product, stands=layout.stands, figure=figure)


def test_the_body_of_the_portrait_comes_along_below_its_head(packshot: Image.Image) -> None:
    layout = layout_of(Framing.PLINTH, 5)
    assert layout.face is not None
    portrait = Image.new("RGB", (256, 256), "white")
    portrait.paste((90, 50, 30), (90, 50, 166, 200))
    portrait.paste((200, 0, 0), (60, 215, 196, 256))
    made = _on_green(portrait, packshot, layout)
    middle, _, _, bottom = layout.face.pixels(SIZE)
    middle += (layout.face.pixels(SIZE)[2] - middle) // 2
    assert made.getpixel((middle, bottom + 8)) == (200, 0, 0)
    assert made.getpixel((middle, SIZE[1] - 6)) == (0, 90, 0)


def test_a_portrait_with_a_lively_background_gives_its_head_only(packshot: Image.Image) -> None:
    layout = layout_of(Framing.PLINTH, 5)
    assert layout.face is not None
    rng = np.random.default_rng(0)
    portrait = Image.fromarray(rng.integers(0, 255, (128, 128, 3), dtype=np.uint8))
    made = _on_green(portrait, packshot, layout)
    left, top, right, bottom = layout.face.pixels(SIZE)
    assert made.getpixel(((left + right) // 2, (top + bottom) // 2)) != (0, 90, 0)
    assert made.getpixel(((left + right) // 2, bottom + 10)) == (0, 90, 0)


def _before_a_studio_wall(head: tuple[int, int, int]) -> Image.Image:
    """A head and shoulders before a wall that is lighter above, sharpened as portraits are."""
    wall = np.linspace(235, 215, 128)[:, None, None] * np.ones((128, 128, 3))
    portrait = Image.fromarray(wall.astype(np.uint8))
    pen = ImageDraw.Draw(portrait)
    pen.ellipse((34, 20, 94, 104), fill=head)
    pen.ellipse((52, 54, 58, 58), fill="navy")
    pen.ellipse((70, 54, 76, 58), fill="navy")
    pen.rectangle((24, 108, 104, 128), fill=(160, 30, 40))
    pen.rectangle((54, 100, 74, 110), fill=head)
    return portrait.filter(ImageFilter.GaussianBlur(0.8)).filter(ImageFilter.UnsharpMask(1.2, 150, 0))


def test_no_light_line_runs_round_a_dark_head() -> None:
    portrait = _before_a_studio_wall((60, 35, 25))
    assert np.asarray(portrait).max() > 240  # what sharpening drew on the wall
    shown = Image.alpha_composite(Image.new("RGBA", portrait.size, (60, 35, 25, 255)), figure_of(portrait))
    assert np.asarray(shown.convert("L"))[:98].max() < 90


def test_white_hair_is_not_taken_for_the_wall() -> None:
    alpha = np.asarray(figure_of(_before_a_studio_wall((255, 255, 255))).getchannel("A"))
    down, across = np.mgrid[0:128, 0:128]
    head = ((across - 64) / 28) ** 2 + ((down - 62) / 40) ** 2 < 1
    assert (alpha[head] > 200).mean() > 0.98
    assert (alpha[:100, :28] < 50).mean() > 0.98


def test_pasting_changes_nothing_outside_the_product(packshot: Image.Image) -> None:
    product = place(cut_out(packshot).image, layout_of(Framing.STILL, 5), SIZE)
    before = picture(4, SIZE)
    after = np.asarray(paste_product(before, product))
    outside = np.asarray(product.getchannel("A")) == 0
    assert np.array_equal(after[outside], np.asarray(before)[outside])


@given(width=st.integers(64, 2000), height=st.integers(64, 2000), native=st.sampled_from([64, 128, 512, 1024]))
def test_working_sizes_are_whole_steps_of_about_the_native_area(width: int, height: int, native: int) -> None:
    found = working_size((width, height), (native, native), native // 8)
    assert all(edge % (native // 8) == 0 for edge in found)
    if 0.25 < width / height < 4:
        assert 0.7 < found[0] * found[1] / native**2 < 1.4
