"""One rendition from a picture: the right window, the size, the file, and whether its channel's rules are kept."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageCms
from PIL.PngImagePlugin import PngInfo

from brief.channels import Window, window
from brief.formats import RENDITION_FORMATS, RenditionFormat
from brief.types import Area, Rendition

XMP_IN_PNG = "XML:com.adobe.xmp"
LOWEST_QUALITY = 40
"""Below it a file is refused instead of made smaller."""
_QUALITY_STEP = 8
_SEEN = 2
"""Levels of 256 by which a pixel differs from the place's at least where something was drawn."""
_OPAQUE = 255
_RINGING = 16
"""Pixels around a product within which JPEG's blocks (16 at most) may leave white by a level or two."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendition's file as encoded.

    Attributes:
        enlarged: factor by which its pixels were stretched beyond the picture's, or 1.
        added: share of it that lies outside the picture and was continued, 0 to 1.
        problems: rules of the channel that it does not keep, in words.
    """

    data: bytes
    size: tuple[int, int]
    quality: int
    enlarged: float = 1.0
    added: float = 0.0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sources:
    """What was delivered, read when it is needed: the product cut out (RGBA), and the place (RGB) as a picture of some
    size shows it."""

    product: Callable[[], Image.Image]
    place: Callable[[tuple[int, int]], Image.Image]


def render(
    picture: Image.Image,
    wanted: Rendition,
    areas: Mapping[str, Area],
    sources: Sources,
    mark: bytes,
) -> Rendered:
    """Make a rendition of ``picture`` (RGB).

    Args:
        areas: what its window must hold, in fractions of the picture.
        sources: what some renditions need besides.
        mark: XMP packet to embed.
    """
    problems: list[str] = []
    added, enlarged = 0.0, 1.0
    if wanted.layer:
        shown = _layer(picture, wanted.layer, sources, areas.get("product"))
    elif wanted.fill:
        shown, enlarged = _on_white(sources.product(), wanted)
    else:
        found = window(picture.size, (wanted.width, wanted.height), areas)
        added = found.added
        problems += [found.problem] if found.problem else []
        shown, enlarged = _sized(_part(picture, found), wanted)
    if min(shown.size) < wanted.min_edge:
        problems.append(
            f"its shorter edge has {min(shown.size)} pixels, its channel wants {wanted.min_edge}: compose the campaign "
            "larger, deliver larger packshots, or allow enlarging"
        )
    data, quality = _within_bytes(shown, wanted, mark)
    problems += _after_encoding(data, shown, wanted)
    said = tuple(f"rendition {wanted.name!r}: {each}" for each in problems)
    return Rendered(data, shown.size, quality, round(enlarged, 3), added, said)


def encode(picture: Image.Image, kind: RenditionFormat, quality: int, mark: bytes, *, full_colour: bool) -> bytes:
    """A file of ``picture`` (RGB, or RGBA for a layer), tagged as sRGB, with the XMP packet ``mark``."""
    buffer = io.BytesIO()
    carrier: dict[str, Any] = {"xmp": mark}
    if kind.pillow == "PNG":  # for which Pillow has no ``xmp=``, so it goes in as text
        info = PngInfo()
        info.add_itxt(XMP_IN_PNG, mark.decode())
        carrier = {"pnginfo": info}
    colour = (kind.full_colour or {}) if full_colour else {}
    picture.save(buffer, kind.pillow, icc_profile=_srgb(), **kind.options(quality), **colour, **carrier)
    return buffer.getvalue()


@cache
def _srgb() -> bytes:
    """sRGB's profile, without the moment at which it was made: equal pictures give equal files."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:24] + bytes(12) + profile[36:]


def _layer(picture: Image.Image, name: str, sources: Sources, area: Area | None) -> Image.Image:
    """One of the layers of a picture; see :class:`brief.types.Rendition`."""
    place = sources.place(picture.size)
    if name == "place":
        return place
    width, height = picture.size
    product = Image.new("RGBA", picture.size)
    if area is not None:
        box = (
            round(area.left * width),
            round(area.top * height),
            round(area.right * width),
            round(area.bottom * height),
        )
        size = (max(1, box[2] - box[0]), max(1, box[3] - box[1]))
        product.paste(sources.product().resize(size, Image.Resampling.LANCZOS), box[:2])
    if name == "product":
        return product
    differs = np.asarray(ImageChops.difference(picture, place)).max(axis=2) > _SEEN
    drawn = picture.convert("RGBA")
    solid = np.asarray(product.getchannel("A")) == _OPAQUE
    drawn.putalpha(Image.fromarray((differs & ~solid).astype(np.uint8) * _OPAQUE))
    return drawn


def _part(picture: Image.Image, of: Window) -> Image.Image:
    """The window's part of a picture; what lies outside is the picture mirrored at its edge."""
    left, top = max(0, -of.left), max(0, -of.top)
    right, bottom = max(0, of.right - picture.width), max(0, of.bottom - picture.height)
    if not (left or top or right or bottom):
        return picture.crop((of.left, of.top, of.right, of.bottom))
    pixels = np.pad(np.asarray(picture), ((top, bottom), (left, right), (0, 0)), mode="symmetric")
    whole = Image.fromarray(pixels)
    start = (of.left + left, of.top + top)
    return whole.crop((*start, start[0] + of.size[0], start[1] + of.size[1]))


def _sized(part: Image.Image, wanted: Rendition) -> tuple[Image.Image, float]:
    factor = wanted.width / part.width
    if factor > 1 and not wanted.enlarge:
        height = max(1, round(part.width * wanted.height / wanted.width))
        return part.resize((part.width, height), Image.Resampling.LANCZOS), 1.0
    return part.resize((wanted.width, wanted.height), Image.Resampling.LANCZOS), max(1.0, factor)


def _on_white(product: Image.Image, wanted: Rendition) -> tuple[Image.Image, float]:
    """The product alone in the middle of exact white."""
    width, height = wanted.width, wanted.height
    factor = min(width * wanted.fill / product.width, height * wanted.fill / product.height)
    if factor > 1 and not wanted.enlarge:
        width, height = (max(1, round(edge / factor)) for edge in (width, height))
        factor = 1.0
    size = tuple(max(1, round(edge * factor)) for edge in product.size)
    frame = Image.new("RGB", (width, height), "white")
    scaled = product.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    frame.paste(scaled, ((width - size[0]) // 2, (height - size[1]) // 2), scaled)
    return frame, max(1.0, factor)


def _within_bytes(picture: Image.Image, wanted: Rendition, mark: bytes) -> tuple[bytes, int]:
    """The file, at the highest quality up to the asked one at which it fits."""
    quality, kind = wanted.quality, RENDITION_FORMATS[wanted.format]
    while True:
        data = encode(picture, kind, quality, mark, full_colour=wanted.full_colour)
        lower = quality - _QUALITY_STEP
        if not wanted.max_bytes or len(data) <= wanted.max_bytes or lower < LOWEST_QUALITY or kind.pillow == "PNG":
            return data, quality
        quality = lower


def _after_encoding(data: bytes, shown: Image.Image, wanted: Rendition) -> list[str]:
    """Rules that only the encoded file can break."""
    problems = []
    if wanted.max_bytes and len(data) > wanted.max_bytes:
        problems.append(f"{len(data):,} bytes at the lowest quality, its channel takes {wanted.max_bytes:,}")
    with Image.open(io.BytesIO(data)) as file:
        file.load()
        if file.size != shown.size or not file.info.get("icc_profile"):
            problems.append(f"the encoded file is {file.size[0]} x {file.size[1]} pixels or lacks its colour profile")
        if wanted.fill and not _is_white(file.convert("RGB"), shown):
            problems.append("its ground is not exact white (255) everywhere")
    return problems


def _is_white(file: Image.Image, shown: Image.Image) -> bool:
    """Whether all that is clearly ground is 255 in every channel."""
    product: np.ndarray = np.asarray(shown).min(axis=2) < _OPAQUE
    rows, columns = np.flatnonzero(product.any(axis=1)), np.flatnonzero(product.any(axis=0))
    ground = np.ones(product.shape, dtype=bool)
    if len(rows):
        top, left = max(0, rows[0] - _RINGING), max(0, columns[0] - _RINGING)
        ground[top : rows[-1] + 1 + _RINGING, left : columns[-1] + 1 + _RINGING] = False
    return bool((np.asarray(file)[ground] == 255).all())
