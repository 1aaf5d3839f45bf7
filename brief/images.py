"""Image files from outside: whatever a team delivers becomes 8-bit RGB or RGBA, upright, in sRGB, or is refused.

What is refused says which row it belongs to, what is wrong and what to do about it. Sizes are checked in the file's
header, before anything is decoded.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageCms, ImageDraw, ImageOps, UnidentifiedImageError

from brief.errors import BriefError

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP")
MAX_EDGE = 12_000
"""Longest edge in pixels."""
MAX_PIXELS = 64_000_000
"""Most pixels of an image. Decoded, it takes four bytes for each, and up to twelve while it is decoded: 0.8 GB."""
MAX_WEBP_PIXELS = 32_000_000
"""Most pixels of a WebP file, whose decoder takes twenty bytes for each however small the file is: 0.64 GB."""

_CORRUPT = (OSError, SyntaxError, ValueError, TypeError, LookupError, OverflowError, EOFError, struct.error, zlib.error)
_SRGB = ImageCms.createProfile("sRGB")
_EXIF_ADOBE_RGB = ("R03", 2)
"""What cameras write that take pictures in Adobe RGB without embedding its profile: DCF's interoperability index, and
an older value of the tag ColorSpace."""


class ImageRefused(BriefError):
    """An image that cannot be used; says whose it is, what is wrong and what to do."""


def read_image(data: bytes, what: str) -> Image.Image:
    """Decode an image file.

    Args:
        data: the file's bytes: PNG, JPEG, WebP, TIFF, GIF or BMP.
        what: whose image it is, for messages ("packshot of 'MUG-1' (products.jsonl:4)").

    Returns:
        Mode RGB, or RGBA where the file has transparency, 8 bits per channel: turned upright by its EXIF
        orientation, 16-bit greys scaled down, CMYK and other profiled colours converted to sRGB.

    Raises:
        ImageRefused: not an image, damaged or cut off, an edge over :data:`MAX_EDGE` or more than
            :data:`MAX_PIXELS`, animated, CMYK without a colour profile, or 32 bits per channel. Of a TIFF with
            several pages, and of a camera's JPEG with a preview, the first picture is taken.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image, what)
            _check_frames(image, what)
            image.load()
            wide = _is_adobe_rgb(image)
            ImageOps.exif_transpose(image, in_place=True)
            return _plain(image, what, _ADOBE_RGB if wide else None)
    except ImageRefused:
        raise
    except UnidentifiedImageError as error:
        raise ImageRefused(
            f"{what}: not an image of a known kind; deliver it as {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageRefused(f"{what}: {_too_large('it has over 178 megapixels')}") from error
    except _CORRUPT as error:
        raise ImageRefused(f"{what}: the file is damaged or cut off ({error}); deliver it again") from error


def image_format(data: bytes) -> str:
    """Pillow's name of a file's format ("PNG"), from its header alone; for a file that :func:`read_image` took."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return "JPEG" if image.format == "MPO" else str(image.format)


def _too_large(what: str) -> str:
    limit = f"{MAX_EDGE:,} pixels on an edge and {MAX_PIXELS // 1_000_000} megapixels"
    return f"{what}, at most {limit} are taken; deliver it smaller"


def _check_size(image: Image.Image, what: str) -> None:
    width, height = image.size
    if max(image.size) > MAX_EDGE or width * height > MAX_PIXELS:
        raise ImageRefused(f"{what}: {_too_large(f'it is {width} x {height} pixels')}")
    if image.format == "WEBP" and width * height > MAX_WEBP_PIXELS:
        limit = f"{MAX_WEBP_PIXELS // 1_000_000} megapixels"
        raise ImageRefused(
            f"{what}: it is a WebP of {width} x {height} pixels, at most {limit} are taken; deliver a PNG"
        )


def _check_frames(image: Image.Image, what: str) -> None:
    # Cameras append a preview to a JPEG as a second picture (MPO), retouchers' programs one to a TIFF; the first one is
    # the photograph.
    frames = 1 if image.format in ("MPO", "TIFF") else getattr(image, "n_frames", 1)
    if frames > 1:
        raise ImageRefused(f"{what}: it is animated ({frames} pictures); deliver a single still picture")


def _is_adobe_rgb(image: Image.Image) -> bool:
    """Whether the camera notes that its colours are Adobe RGB."""
    exif = image.getexif()
    index = exif.get_ifd(ExifTags.IFD.Interop).get(ExifTags.Interop.InteropIndex, "")
    space = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace)
    return str(index).strip("\0 ") == _EXIF_ADOBE_RGB[0] or space == _EXIF_ADOBE_RGB[1]


def _matrix_profile(primaries: Sequence[tuple[float, float, float]], gamma: float) -> bytes:
    """A colour profile (ICC.1:2001, version 2.1) of three primaries as XYZ under D50, and one gamma for all."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    curve = b"curv" + struct.pack(">IIHxx", 0, 1, round(gamma * 256))
    xyz = b"XYZ " + bytes(4)
    white = fixed(0.9642, 1.0, 0.8249)
    bodies = [(b"wtpt", xyz + white)]
    bodies += [(name, xyz + fixed(*each)) for name, each in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)]
    bodies += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    place, table, data = 128 + 4 + 12 * len(bodies), struct.pack(">I", len(bodies)), b""
    for name, body in bodies:
        table += name + struct.pack(">II", place + len(data), len(body))
        data += body
    header = struct.pack(">I4xI", place + len(data), 0x02100000) + b"mntrRGB XYZ " + bytes(12) + b"acsp"
    return header.ljust(68, b"\0") + white.ljust(60, b"\0") + table + data


_ADOBE_RGB = _matrix_profile(
    ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)), 2.2
)
"""Adobe RGB (1998): its primaries adapted to D50, as Adobe's own profile has them."""


def _plain(image: Image.Image, what: str, assumed: bytes | None = None) -> Image.Image:
    """8-bit RGB or RGBA in sRGB, from any mode a file may have; ``assumed`` is the profile of a file without one."""
    profile = image.info.get("icc_profile") or (assumed if image.mode in ("RGB", "RGBA") else None)
    if image.mode.startswith("I;16"):
        image = image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    elif image.mode in ("I", "F"):
        raise ImageRefused(f"{what}: it has 32 bits per channel; deliver it with 8 or 16")
    if image.mode == "CMYK":
        if not profile:
            raise ImageRefused(f"{what}: it is CMYK without a colour profile; deliver it as RGB, or embed the profile")
        return _to_srgb(image, profile, what)
    if image.mode == "LAB":
        raise ImageRefused(f"{what}: its colours are Lab; deliver it as RGB")
    see_through = "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info
    mode = "RGBA" if see_through else "RGB"
    # A copy of its own in any case: the caller closes the file's.
    image = image.convert(mode) if image.mode != mode else image.crop()
    image = _to_srgb(image, profile, what) if profile else image
    image.info.clear()
    return image


def _to_srgb(image: Image.Image, profile: bytes, what: str) -> Image.Image:
    """Colours through the file's own profile; alpha stays. An RGB image with a profile for greys or one that cannot
    be read is taken as sRGB, which is what every viewer shows; CMYK cannot be guessed."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if image.mode != "CMYK" and source.profile.xcolor_space.strip() != "RGB":
            return image
        if image.mode != "CMYK":
            ImageCms.profileToProfile(image, source, _SRGB, inPlace=True)  # a copy would take as much again
            return image
        plain = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        if image.mode != "CMYK":
            return image
        raise ImageRefused(f"{what}: its CMYK colour profile cannot be read ({error}); deliver it as RGB") from error
    if plain is None:
        return image
    plain.info.clear()
    return plain


_OUTLINE_EDGE = 192
_SOLID, _FAINT, _OPAQUE = 128, 26, 230
"""Of 256: from which alpha on a pixel belongs to the thing; between the last two it is see-through."""
_PIECE = 0.1
_MOST_PIECES = 100


@dataclass(frozen=True, slots=True)
class Outline:
    """The shape that an alpha channel gives a thing, in shares from 0 to 1.

    Attributes:
        area: of the image that the thing covers.
        border: of the image's border that it covers: it is cut off there, or what is left is no thing but a frame.
        crumbs: of the thing's area that is in pieces a tenth as large as it or less. Of a thing that is broken up.
        unsure: of the thing's area that is half seen through: a shadow, or an edge that nothing told.
        pieces: how many there are of a fiftieth of it and more.
    """

    area: float
    border: float
    crumbs: float
    unsure: float
    pieces: int = 1

    @property
    def believable(self) -> bool:
        """Whether it is a thing's at all, and not a frame's, a rounded corner's or everything."""
        return self.area < 1 - _ALL and self.border < _FRAME

    @property
    def wholeness(self) -> float:
        """1 for the shape of one thing or a few, well inside the image and with a clear edge; 0 for none."""
        return min(
            _falling(self.border, 0.01, 0.1), _falling(self.crumbs, 0.03, 0.15), _falling(self.unsure, 0.25, 0.5)
        )

    @property
    def problem(self) -> str | None:
        """What is wrong with it, in words; ``None`` for a shape that can be believed."""
        if self.wholeness > _BELIEVED:
            return None
        if _falling(self.border, 0.01, 0.1) <= _BELIEVED:
            return f"it touches the image's edge along {self.border:.0%} of it; leave some air on all sides"
        if _falling(self.crumbs, 0.03, 0.15) <= _BELIEVED:
            return f"{self.crumbs:.0%} of it is in small pieces; deliver it with a clean transparency"
        return f"{self.unsure:.0%} of it is half transparent; deliver it without a shadow"


_BELIEVED = 0.5
_ALL, _FRAME = 0.01, 0.5
_SOME = 0.02


def _falling(value: float, good: float, bad: float) -> float:
    return min(1.0, max(0.0, (bad - value) / (bad - good)))


def outline_of(alpha: Image.Image) -> Outline:
    """The shape of what is not transparent in ``alpha`` (mode L)."""
    counts = alpha.histogram()
    seen = sum(counts[_FAINT:])
    small = alpha.copy()
    small.thumbnail((_OUTLINE_EDGE, _OUTLINE_EDGE), Image.Resampling.BOX)
    solid = small.point(lambda value: 255 * (value >= _SOLID))
    across, down = solid.size
    edges = [(0, 0, across, 1), (0, down - 1, across, down), (0, 0, 1, down), (across - 1, 0, across, down)]
    touched = sum(solid.crop(edge).histogram()[255] for edge in edges)
    pieces = _pieces(solid)
    whole = sum(pieces)
    return Outline(
        area=sum(counts[_SOLID:]) / (alpha.width * alpha.height),
        border=touched / (2 * (across + down)),
        crumbs=sum(piece for piece in pieces if piece <= _PIECE * whole) / max(1, whole),
        unsure=sum(counts[_FAINT:_OPAQUE]) / max(1, seen),
        pieces=sum(piece >= _SOME * whole for piece in pieces),
    )


def _pieces(solid: Image.Image) -> list[int]:
    """Pixels of each connected piece of what is 255 in ``solid``."""
    left = solid.copy()
    found: list[int] = []
    while (box := left.getbbox()) and len(found) < _MOST_PIECES:
        row = left.crop((box[0], box[1], box[2], box[1] + 1))
        start = next(x for x in range(row.width) if row.getpixel((x, 0)))
        before = left.histogram()[255]
        ImageDraw.floodfill(left, (box[0] + start, box[1]), 0)
        found.append(before - left.histogram()[255])
    return found
