"""Products without their backgrounds."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from generation.scene.cutout import CutoutError, cut_out, on_white


def _on(background: Image.Image) -> Image.Image:
    ImageDraw.Draw(background).ellipse((40, 30, 119, 129), fill=(30, 60, 200))
    return background


def _shaded(size: tuple[int, int]) -> Image.Image:
    """A wall that is lighter in the middle of its lower edge, as studio walls are."""
    down, across = np.mgrid[0 : size[1], 0 : size[0]] / np.array(size[::-1])[:, None, None]
    light = 205 + 45 * down - 20 * (across - 0.5) ** 2
    return Image.fromarray(np.repeat(light[..., None], 3, axis=2).astype(np.uint8))


def test_transparency_is_taken_at_its_word(packshot: Image.Image) -> None:
    cut = cut_out(packshot)
    assert cut.size == (51, 101)
    assert cut.getpixel((25, 50)) == (255, 255, 255, 255)


@pytest.mark.parametrize("wall", [Image.new("RGB", (160, 160), "white"), _shaded((160, 160))], ids=["plain", "shaded"])
def test_a_plain_or_softly_shaded_wall_goes_away(wall: Image.Image) -> None:
    cut = cut_out(_on(wall.copy()))
    alpha = np.asarray(cut.getchannel("A")) > 127
    assert abs(alpha.sum() - np.pi * 40 * 50) < 0.06 * np.pi * 40 * 50
    assert abs(cut.width - 80) <= 4
    assert abs(cut.height - 100) <= 4


def test_a_busy_wall_is_refused_with_what_to_do() -> None:
    busy = Image.fromarray(np.random.default_rng(1).integers(0, 255, (90, 90, 3), dtype=np.uint8))
    with pytest.raises(
        CutoutError, match=r"packshot of 'A': its background is not plain .* deliver it with transparency"
    ):
        cut_out(busy, "packshot of 'A'")


@pytest.mark.parametrize("nothing", [Image.new("RGB", (50, 50), "white"), Image.new("RGBA", (50, 50))])
def test_nothing_left_is_refused(nothing: Image.Image) -> None:
    with pytest.raises(CutoutError, match="hardly anything is left"):
        cut_out(nothing)


def test_an_opaque_image_with_alpha_is_cut_by_its_wall() -> None:
    opaque = _on(Image.new("RGB", (160, 160), "white")).convert("RGBA")
    assert cut_out(opaque).width < 90


def test_large_packshots_are_reduced() -> None:
    huge = _on(Image.new("RGB", (160, 160), "white")).resize((4000, 4000))
    assert max(cut_out(huge).size) <= 2048


def test_the_cutout_is_shown_whole_on_white(packshot: Image.Image) -> None:
    shown = on_white(cut_out(packshot))
    assert shown.width == shown.height > 101
    assert shown.getpixel((0, 0)) == (255, 255, 255)
    assert shown.getpixel((shown.width // 2 - 20, shown.height // 2 - 30)) == (220, 30, 40)
