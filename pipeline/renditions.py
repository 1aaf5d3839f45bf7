"""One rendition from a picture: the right window, the size, the file, and whether its channel's rules are kept."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
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
_SHADED, _STILL_THERE = 8, 0.5
"""Of 256, from where on a shadow is looked at; and share of it that must be as it was laid out to be that shadow."""
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
        notes: what else is to be known of it.
    """

    data: bytes
    size: tuple[int, int]
    quality: int
    enlarged: float = 1.0
    added: float = 0.0
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sources:
    """What a picture was laid out from, read when it is needed: the product cut out (RGBA), the place (RGB) as a
    picture of some size shows it, and the contact shadow (mode L) of a placed product, ``None`` where it has none."""

    product: Callable[[], Image.Image]
    place: Callable[[tuple[int, int]], Image.Image]
    shadow: Callable[[Image.Image], Image.Image | None]


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
    notes: list[str] = []
    added, enlarged = 0.0, 1.0
    if wanted.layer:
        layers = _Layers(picture, sources, areas.get("product"))
        shown = layers.named(wanted.layer)
        notes += [layers.shadow_note] if wanted.layer in ("shadow", "person") and layers.shadow_note else []
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
    messages = tuple(f"rendition {wanted.name!r}: {each}" for each in problems)
    return Rendered(data, shown.size, quality, round(enlarged, 3), added, messages, tuple(notes))


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


class _Layers:
    """A picture (RGB) taken apart; see :class:`brief.types.Rendition`. Laid on each other in the order place, shadow,
    person, product, its layers differ from it by at most 3 of 255."""

    def __init__(self, picture: Image.Image, sources: Sources, area: Area | None) -> None:
        self._picture, self._sources, self._area = picture, sources, area

    def named(self, name: str) -> Image.Image:
        if name == "place":
            return self.place
        if name == "product":
            return self.product
        if name == "shadow":
            return self._black(self.shadow)
        return self._over(self.ground if name == "person" else self.place)

    @cached_property
    def place(self) -> Image.Image:
        return self._sources.place(self._picture.size)

    @cached_property
    def product(self) -> Image.Image:
        """RGBA, its edge as soft as it was put into the picture."""
        from generation.scene.collage import product_mask

        width, height = self._picture.size
        layer = Image.new("RGBA", self._picture.size)
        if (area := self._area) is None:
            return layer
        left, right = round(area.left * width), round(area.right * width)
        top, bottom = round(area.top * height), round(area.bottom * height)
        size = (max(1, right - left), max(1, bottom - top))
        layer.paste(self._sources.product().resize(size, Image.Resampling.LANCZOS), (left, top))
        layer.putalpha(product_mask(layer))
        return layer

    @cached_property
    def _laid_out(self) -> Image.Image | None:
        """The shadow that the picture was laid out with, mode L."""
        return self._sources.shadow(self.product)

    @cached_property
    def shadow(self) -> Image.Image:
        """The same where the picture has it still; nothing where a model drew another one."""
        nothing = Image.new("L", self._picture.size)
        laid_out = self._laid_out
        if laid_out is None:
            return nothing
        seen = (np.asarray(laid_out) > _SHADED) & (np.asarray(self.product.getchannel("A")) == 0)
        off = self._off(Image.composite(nothing.convert("RGB"), self.place, laid_out))
        return laid_out if seen.any() and (off[seen] <= _SEEN).mean() > _STILL_THERE else nothing

    @property
    def shadow_note(self) -> str:
        """Where the shadow is, if it is not in its own layer."""
        if self._laid_out is None:
            return "nothing stands here, so no contact shadow was laid out; what a model drew is in the layer 'person'"
        if self.shadow.getbbox() is None:
            return "a model drew the shadow; it cannot be told from what it falls on and is in the layer 'person'"
        return ""

    @cached_property
    def ground(self) -> Image.Image:
        """The place with its shadow, RGB."""
        return Image.composite(Image.new("RGB", self._picture.size), self.place, self.shadow)

    def _black(self, alpha: Image.Image) -> Image.Image:
        layer = Image.new("RGBA", self._picture.size, "black")
        layer.putalpha(alpha)
        return layer

    def _over(self, ground: Image.Image) -> Image.Image:
        """What the picture shows other than ``ground``, RGBA; where the product's edge lies upon it, what is below."""
        share = np.asarray(self.product.getchannel("A"), dtype=np.float32)[..., None] / _OPAQUE
        own = np.asarray(self.product.convert("RGB"), dtype=np.float32)
        picture = np.asarray(self._picture, dtype=np.float32)
        below = np.clip((picture - share * own) / np.maximum(1 - share, 1 / _OPAQUE), 0, _OPAQUE)
        drawn = Image.fromarray(below.round().astype(np.uint8)).convert("RGBA")
        differs = np.abs(below - np.asarray(ground, dtype=np.float32)).max(axis=2) > _SEEN
        drawn.putalpha(Image.fromarray((differs & (share[..., 0] < 1)).astype(np.uint8) * _OPAQUE))
        return drawn

    def _off(self, other: Image.Image) -> np.ndarray:
        off: np.ndarray = np.asarray(ImageChops.difference(self._picture, other)).max(axis=2)
        return off


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
