"""Image files from outside, good, odd and bad."""

from __future__ import annotations

import hashlib
import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms

from brief import images
from brief.images import ImageRefused, image_format, read_image

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(size: tuple[int, int] = (64, 48)) -> Image.Image:
    pixels = hashlib.shake_256(b"noise").digest(size[0] * size[1] * 3)
    return Image.frombytes("RGB", size, pixels)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels at all: whoever decodes it first finds it cut off."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 1000) + b"IDAT"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"])
def test_known_kinds_become_rgb(kind: str) -> None:
    data = encoded(Image.new("RGB", (20, 10), (250, 120, 10)), kind)
    image = read_image(data, "packshot")
    assert (image.mode, image.size) == ("RGB", (20, 10))
    assert all(abs(a - b) < 8 for a, b in zip(image.getpixel((5, 5)), (250, 120, 10), strict=True))  # type: ignore[arg-type]
    assert image_format(data) == kind


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_stays(mode: str) -> None:
    clear = Image.new(mode, (4, 4), 0)
    assert read_image(encoded(clear), "packshot").getpixel((0, 0)) == (0, 0, 0, 0)


def test_a_transparent_palette_colour_stays_transparent() -> None:
    data = encoded(noise((4, 4)).quantize(2).point(lambda _: 1), transparency=1)
    assert read_image(data, "packshot").getchannel("A").getextrema() == (0, 0)


def test_sixteen_bit_greys_are_scaled_not_cut() -> None:
    deep = Image.new("I;16", (3, 1))
    for x, value in enumerate((0, 100 * 257, 65535)):
        deep.putpixel((x, 0), value)
    for kind in ("PNG", "TIFF"):
        image = read_image(encoded(deep, kind), "packshot")
        assert [image.getpixel((x, 0)) for x in range(3)] == [(0, 0, 0), (100, 100, 100), (255, 255, 255)]


def test_a_photo_taken_sideways_stands_upright() -> None:
    photo = Image.new("RGB", (40, 20), "black")
    photo.paste((255, 255, 255), (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise: what was left comes to the top
    image = read_image(encoded(photo, "JPEG", exif=exif), "photo")
    assert image.size == (20, 40)
    assert image.getpixel((10, 5)) > (200, 200, 200) > image.getpixel((10, 35))  # type: ignore[operator]


def test_a_camera_s_second_preview_picture_does_not_count_as_animation() -> None:
    data = encoded(noise(), "MPO", save_all=True, append_images=[noise((8, 8))])
    assert read_image(data, "photo").size == (64, 48)
    assert image_format(data) == "JPEG"


def test_profiled_colours_come_out_as_srgb() -> None:
    wide = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    plain = read_image(encoded(Image.new("RGBA", (2, 2), (10, 200, 30, 77)), icc_profile=SRGB), "packshot")
    assert plain.getpixel((0, 0)) == (10, 200, 30, 77)
    assert "icc_profile" not in plain.info
    odd = read_image(encoded(Image.new("RGB", (2, 2), (10, 200, 30)), icc_profile=wide.tobytes()), "packshot")
    assert odd.getpixel((0, 0)) == (10, 200, 30)


BAD = {
    "known kind; deliver it as PNG, JPEG.*": b"hello",
    "not an image of a known kind": b"",
    "damaged or cut off": encoded(noise())[:2000],
    "it is animated .2 pictures": encoded(noise(), "GIF", save_all=True, append_images=[Image.new("L", (64, 48))]),
    "CMYK without a colour profile": encoded(Image.new("CMYK", (8, 8)), "JPEG"),
    "CMYK colour profile cannot be read": encoded(Image.new("CMYK", (8, 8)), "JPEG", icc_profile=b"nonsense"),
    "32 bits per channel": encoded(Image.new("F", (8, 8)), "TIFF"),
    "colours are Lab": encoded(Image.new("LAB", (8, 8)), "TIFF"),
    "12001 x 10 pixels, at most 12,000 pixels on an edge": png_header(12_001, 10),
    "9000 x 9000 pixels, .* and 64 megapixels": png_header(9000, 9000),
    "over 178 megapixels": png_header(20_000, 20_000),
}


@pytest.mark.parametrize("reason", BAD)
def test_what_cannot_be_used_is_refused_with_the_reason(reason: str) -> None:
    with pytest.raises(ImageRefused, match=f"^packshot of 'MUG-1': .*{reason}"):
        read_image(BAD[reason], "packshot of 'MUG-1'")


def test_an_image_within_the_limit_is_only_found_cut_off_when_decoded() -> None:
    with pytest.raises(ImageRefused, match="cut off"):
        read_image(png_header(8000, 8000), "packshot")


@pytest.mark.filterwarnings("ignore")  # Pillow warns of much that it then reads
@settings(deadline=None, max_examples=150)
@given(st.data())
def test_damage_of_any_kind_is_refused_or_survived(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"]))
    damaged = bytearray(encoded(noise((24, 16)), kind))
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=6)):
        damaged[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(damaged)))
    try:
        image = read_image(bytes(damaged[:cut]), "packshot")
    except ImageRefused as error:
        assert str(error).startswith("packshot: ")
    else:
        assert image.mode in ("RGB", "RGBA")


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "RGBA"), ("PNG", "I;16"), ("JPEG", "RGB"), ("WEBP", "RGB")])
def test_a_large_picture_takes_no_more_memory_than_is_said(tmp_path: Path, kind: str, mode: str) -> None:
    """With an orientation and a colour profile, which both could cost a copy."""
    file, size = tmp_path / "large", (6000, 4000)
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    Image.new(mode, size).save(
        file, kind, exif=turned, icc_profile=images._ADOBE_RGB, **({"method": 0} if kind == "WEBP" else {})
    )
    peak = "int(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
    code = (
        "import sys; from pathlib import Path; from brief.images import read_image\n"
        f"data = Path(sys.argv[1]).read_bytes(); before = {peak}\n"
        f"read_image(data, 'it'); print({peak} - before)"
    )
    said = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    allowed = 20 if kind == "WEBP" else 12
    assert int(said.stdout) * 1024 < allowed * size[0] * size[1] + 20_000_000


def test_a_webp_whose_decoder_would_take_too_much_is_refused_by_its_header() -> None:
    data = io.BytesIO()
    Image.new("RGB", (8000, 8000)).save(data, "WEBP", lossless=True, method=0)
    with pytest.raises(ImageRefused, match="WebP of 8000 x 8000 pixels, at most 32 megapixels"):
        read_image(data.getvalue(), "packshot")


def test_a_tiff_with_pages_gives_its_first() -> None:
    pages = encoded(Image.new("RGB", (8, 6), "red"), "TIFF", save_all=True, append_images=[Image.new("RGB", (2, 2))])
    assert read_image(pages, "packshot").getpixel((7, 5)) == (255, 0, 0)
    assert image_format(pages) == "TIFF"


@pytest.mark.parametrize("hint", ["interoperability index", "colour space"])
def test_adobe_rgb_that_a_camera_only_notes_is_converted(hint: str) -> None:
    exif = Image.Exif()
    if hint == "colour space":
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ColorSpace] = 2
    else:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ColorSpace] = 0xFFFF
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.IFD.Interop] = {1: "R03"}
    wide = Image.new("RGB", (16, 16), (200, 100, 50))
    # By the matrices of Adobe RGB (1998) and IEC 61966-2-1.
    expected = (227, 100, 42)
    found = read_image(encoded(wide, "JPEG", exif=exif, quality=100, subsampling=0), "packshot").getpixel((8, 8))
    assert all(abs(a - b) <= 2 for a, b in zip(found, expected, strict=True)), found  # type: ignore[arg-type]
    same = read_image(encoded(wide, "JPEG", quality=100, subsampling=0), "packshot").getpixel((8, 8))
    assert all(abs(a - b) <= 2 for a, b in zip(same, (200, 100, 50), strict=True)), same  # type: ignore[arg-type]
