"""Products without their backgrounds."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from benchmarks.cutouts import IMAGES, overlap
from benchmarks.cutouts import packshot as packshot_on
from brief.images import outline_of
from generation.scene.cutout import CutoutError, cut_out, matte, on_white


def _on(background: Image.Image) -> Image.Image:
    ImageDraw.Draw(background).ellipse((40, 30, 119, 129), fill=(30, 60, 200))
    return background


def _shaded(size: tuple[int, int]) -> Image.Image:
    """A wall that is lighter in the middle of its lower edge, as studio walls are."""
    down, across = np.mgrid[0 : size[1], 0 : size[0]] / np.array(size[::-1])[:, None, None]
    light = 205 + 45 * down - 20 * (across - 0.5) ** 2
    return Image.fromarray(np.repeat(light[..., None], 3, axis=2).astype(np.uint8))


def test_transparency_is_taken_at_its_word(packshot: Image.Image) -> None:
    cut = cut_out(packshot).image
    assert cut.size == (51, 101)
    assert cut.getpixel((25, 50)) == (255, 255, 255, 255)


@pytest.mark.parametrize("wall", [Image.new("RGB", (160, 160), "white"), _shaded((160, 160))], ids=["plain", "shaded"])
def test_a_plain_or_softly_shaded_wall_goes_away(wall: Image.Image) -> None:
    cut = cut_out(_on(wall.copy())).image
    alpha = np.asarray(cut.getchannel("A")) > 127
    assert abs(alpha.sum() - np.pi * 40 * 50) < 0.06 * np.pi * 40 * 50
    assert abs(cut.width - 80) <= 4
    assert abs(cut.height - 100) <= 4


@pytest.mark.parametrize("nothing", [Image.new("RGB", (50, 50), "white"), Image.new("RGBA", (50, 50))])
def test_nothing_left_is_refused(nothing: Image.Image) -> None:
    with pytest.raises(CutoutError, match="deliver it with transparency"):
        cut_out(nothing)


def test_an_opaque_image_with_alpha_is_cut_by_its_wall() -> None:
    opaque = _on(Image.new("RGB", (160, 160), "white")).convert("RGBA")
    assert cut_out(opaque).image.width < 90


def test_large_packshots_are_reduced() -> None:
    huge = _on(Image.new("RGB", (160, 160), "white")).resize((4000, 4000))
    assert max(cut_out(huge).image.size) <= 2048


def test_the_cutout_is_shown_whole_on_white(packshot: Image.Image) -> None:
    shown = on_white(cut_out(packshot).image)
    assert shown.width == shown.height > 101
    assert shown.getpixel((0, 0)) == (255, 255, 255)
    assert shown.getpixel((shown.width // 2 - 20, shown.height // 2 - 30)) == (220, 30, 40)


@pytest.mark.parametrize(
    ("name", "background", "white", "least"),
    [
        ("MUG-RED-01", "white", False, 0.9),
        ("BAG-PUR-03", "white, soft shadow", False, 0.95),
        ("LMP-RED-09", "grey sweep", True, 0.95),
        ("SNK-ORA-04", "white, soft shadow", True, 0.9),
        ("JAR-GRE-07", "photo", False, 0.95),
    ],
)
def test_products_are_told_from_shadows_from_white_and_from_rooms(
    name: str, background: str, white: bool, least: float
) -> None:
    product = cut_out(Image.open(IMAGES / f"{name}.png").convert("RGBA")).image
    image, true = packshot_on(product, background, white=white)
    assert overlap(matte(image), true) > least
    assert cut_out(image).outline.problem is None


def test_one_image_is_cut_once(monkeypatch: pytest.MonkeyPatch) -> None:
    image = _on(Image.new("RGB", (160, 160), (250, 250, 250)))
    first = matte(image)
    monkeypatch.setattr("generation.scene.cutout.shipped", lambda: pytest.fail("cut again"))
    assert np.array_equal(matte(image.copy()), first)


def _shape(*boxes: tuple[int, int, int, int]) -> Image.Image:
    alpha = Image.new("L", (200, 200))
    for box in boxes:
        alpha.paste(255, box)
    return alpha


_CRUMBS = [(120 + 9 * n, 20 + 9 * m, 125 + 9 * n, 25 + 9 * m) for n in range(7) for m in range(15)]


@pytest.mark.parametrize(
    ("alpha", "problem"),
    [
        (_shape((40, 40, 160, 160)), None),
        (_shape((20, 90, 90, 150), (110, 90, 180, 150)), None),  # a pair of shoes
        (_shape((40, 40, 160, 200)), "touches the image's edge"),
        (_shape((40, 40, 110, 110), *_CRUMBS),
         "in small pieces"),
        (_shape((40, 40, 160, 160)).point(lambda value: value // 2), "half transparent"),
    ],
    ids=["thing", "pair", "cut off", "crumbs", "see-through"],
)  # fmt: skip
def test_an_outline_that_cannot_be_believed_is_told(alpha: Image.Image, problem: str | None) -> None:
    found = outline_of(alpha)
    assert (problem or "") in (found.problem or "")
    assert (found.problem is None) == (problem is None)


def test_transparency_that_is_only_a_frames_is_no_outline() -> None:
    card = _on(Image.new("RGB", (160, 160), "white")).convert("RGBA")
    for corner in ((0, 0, 6, 6), (154, 0, 160, 6), (0, 154, 6, 160), (154, 154, 160, 160)):
        card.paste((0, 0, 0, 0), corner)
    assert cut_out(card).image.width < 100
