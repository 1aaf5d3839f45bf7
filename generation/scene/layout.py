"""Where things are in a picture: boxes per framing and aspect ratio, in fractions of its width and height.

The square boxes are the mean ones of the rendered world on which the starter bundle is trained (product right of the
person); the shot's seed decides whether the picture is mirrored. A tall or wide picture has boxes of its own, in which
heads and products keep their shape: one of another aspect takes those of the nearest, whole and in its middle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from brief.recipe import seed_of
from brief.types import ASPECTS, Area, Composition, Framing, Shot


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in fractions of the picture, 0 to 1 from its left and top edge."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    def mirrored(self) -> Box:
        return Box(1 - self.right, self.top, 1 - self.left, self.bottom)

    def moved(self, right: float, down: float) -> Box:
        return Box(self.left + right, self.top + down, self.right + right, self.bottom + down)

    def scaled(self, width: float, height: float) -> Box:
        """So much wider and higher, about the middle of its lower edge."""
        middle, half = (self.left + self.right) / 2, self.width * width / 2
        return Box(middle - half, self.bottom - self.height * height, middle + half, self.bottom)

    def pixels(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Left, top, right, bottom in pixels of a picture of ``size`` (width, height)."""
        width, height = size
        return (
            round(self.left * width),
            round(self.top * height),
            round(self.right * width),
            round(self.bottom * height),
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """A framing's regions.

    Attributes:
        product: the product is fitted into it, standing on its lower edge, in the middle.
        stands: it stands on something and throws a contact shadow (else it is held).
        face: of the person, hair included; ``None`` without a person.
        free: where the model draws what the environment photo does not have: the person's body first, what holds
            the product or stands under it last.
    """

    product: Box
    stands: bool
    face: Box | None
    free: tuple[Box, ...]

    def mirrored(self) -> Layout:
        face = self.face.mirrored() if self.face else None
        return Layout(self.product.mirrored(), self.stands, face, tuple(box.mirrored() for box in self.free))


LAYOUTS = {
    Framing.HELD: Layout(
        product=Box(0.60, 0.42, 0.94, 0.77),
        stands=False,
        face=Box(0.08, 0.14, 0.59, 0.71),
        free=(Box(0.04, 0.66, 0.60, 0.92), Box(0.50, 0.72, 0.88, 0.92)),
    ),
    Framing.PLINTH: Layout(
        product=Box(0.62, 0.43, 0.96, 0.81),
        stands=True,
        face=Box(0.07, 0.14, 0.58, 0.71),
        free=(Box(0.04, 0.66, 0.58, 0.92), Box(0.55, 0.76, 1.0, 0.96)),
    ),
    Framing.CLOSE_UP: Layout(
        product=Box(0.42, 0.38, 0.98, 0.95),
        stands=True,
        face=Box(0.07, 0.16, 0.53, 0.66),
        free=(Box(0.03, 0.60, 0.54, 0.80), Box(0.42, 0.80, 1.0, 1.0)),
    ),
    Framing.STILL: Layout(
        product=Box(0.27, 0.35, 0.73, 0.80),
        stands=True,
        face=None,
        free=(Box(0.20, 0.74, 0.80, 0.96),),
    ),
}
"""Of a square picture."""

_TALL = {
    Framing.HELD: Layout(
        product=Box(0.60, 0.46, 0.96, 0.75),
        stands=False,
        face=Box(0.06, 0.16, 0.60, 0.64),
        free=(Box(0.02, 0.59, 0.62, 0.93), Box(0.50, 0.71, 0.90, 0.93)),
    ),
    Framing.PLINTH: Layout(
        product=Box(0.62, 0.47, 0.97, 0.79),
        stands=True,
        face=Box(0.06, 0.16, 0.60, 0.64),
        free=(Box(0.02, 0.59, 0.60, 0.93), Box(0.55, 0.75, 1.0, 0.97)),
    ),
    Framing.CLOSE_UP: Layout(
        product=Box(0.40, 0.45, 0.98, 0.93),
        stands=True,
        face=Box(0.06, 0.16, 0.53, 0.58),
        free=(Box(0.02, 0.53, 0.55, 0.74), Box(0.40, 0.81, 1.0, 1.0)),
    ),
    Framing.STILL: Layout(
        product=Box(0.22, 0.38, 0.78, 0.81), stands=True, face=None, free=(Box(0.14, 0.75, 0.86, 0.97),)
    ),
}
_TALLEST = {
    Framing.HELD: Layout(
        product=Box(0.54, 0.57, 0.96, 0.80),
        stands=False,
        face=Box(0.05, 0.20, 0.67, 0.59),
        free=(Box(0.0, 0.54, 0.72, 0.95), Box(0.48, 0.76, 0.94, 0.95)),
    ),
    Framing.PLINTH: Layout(
        product=Box(0.54, 0.556, 0.96, 0.82),
        stands=True,
        face=Box(0.05, 0.18, 0.67, 0.57),
        free=(Box(0.0, 0.52, 0.68, 0.95), Box(0.46, 0.78, 1.0, 0.98)),
    ),
    Framing.CLOSE_UP: Layout(
        product=Box(0.28, 0.50, 0.98, 0.92),
        stands=True,
        face=Box(0.05, 0.18, 0.59, 0.52),
        free=(Box(0.0, 0.47, 0.62, 0.72), Box(0.26, 0.82, 1.0, 1.0)),
    ),
    Framing.STILL: Layout(
        product=Box(0.14, 0.43, 0.86, 0.81), stands=True, face=None, free=(Box(0.06, 0.76, 0.94, 0.97),)
    ),
}
_WIDE = {
    Framing.HELD: Layout(
        product=Box(0.50, 0.42, 0.70, 0.78),
        stands=False,
        face=Box(0.16, 0.12, 0.46, 0.72),
        free=(Box(0.12, 0.67, 0.50, 0.95), Box(0.42, 0.73, 0.68, 0.95)),
    ),
    Framing.PLINTH: Layout(
        product=Box(0.61, 0.40, 0.811, 0.80),
        stands=True,
        face=Box(0.14, 0.12, 0.44, 0.72),
        free=(Box(0.10, 0.67, 0.48, 0.95), Box(0.55, 0.76, 0.87, 0.97)),
    ),
    Framing.CLOSE_UP: Layout(
        product=Box(0.46, 0.28, 0.84, 0.95),
        stands=True,
        face=Box(0.14, 0.14, 0.42, 0.70),
        free=(Box(0.10, 0.64, 0.46, 0.86), Box(0.44, 0.80, 0.88, 1.0)),
    ),
    Framing.STILL: Layout(
        product=Box(0.34, 0.29, 0.66, 0.82), stands=True, face=None, free=(Box(0.27, 0.76, 0.73, 0.97),)
    ),
}
FRAMED = dict(zip(ASPECTS, (LAYOUTS, _TALL, _TALLEST, _WIDE), strict=True))
"""By a picture's width over its height."""

_HEAD_CM = 26.0
"""Height of a head with its hair, by which a product's own height is seen."""
_NEARER = {Framing.CLOSE_UP: 1.6}
"""How much larger something looks that is nearer than the person."""
_SMALLEST, _LARGEST = 0.4, 1.3
"""Of its usual height: no product is shown smaller, where it would not be seen, or larger, where it would hide all."""
_ROOM = 1.4
"""What a product of known height may be wider than its box."""
_ON, _LOWEST = 0.05, 0.97
"""How far below a surface's far edge things stand on it, and the lowest at which they stand."""


@dataclass(frozen=True, slots=True)
class Variation:
    """How a take differs from the mean of its framing; :data:`MEAN` does not.

    Attributes:
        person: right, down (in shares of the picture) and by how much larger the person is.
        product: the same of the product.
        tilt: of the person, in degrees.
        zoom: share of the photo's width and height that is not shown.
        aside: where the rest lies in the photo: 0 left or up, 1 right or down.
        light: of the person, relative to what the place gives.
        shadow: how far the product's shadow falls to the right, in shares of its width.
    """

    person: tuple[float, float, float] = (0.0, 0.0, 1.0)
    product: tuple[float, float, float] = (0.0, 0.0, 1.0)
    tilt: float = 0.0
    zoom: float = 0.0
    aside: tuple[float, float] = (0.5, 0.5)
    light: float = 1.0
    shadow: float = 0.0

    @classmethod
    def of(cls, seed: int) -> Variation:
        """The variation of a take with this seed: small enough to stay within its framing, large enough to be seen."""

        def drawn(name: str, least: float, most: float) -> float:
            return least + (most - least) * seed_of("variation", name, seed) / 2**32

        return cls(
            person=(drawn("x", -0.03, 0.03), drawn("y", -0.03, 0.02), drawn("size", 0.92, 1.04)),
            product=(
                drawn("product x", -0.03, 0.02),
                drawn("product y", -0.01, 0.03),
                drawn("product size", 0.9, 1.05),
            ),
            tilt=drawn("tilt", -4, 4),
            zoom=drawn("zoom", 0, 0.14),
            aside=(drawn("aside", 0, 1), drawn("upwards", 0, 1)),
            light=drawn("light", 0.85, 1.0),
            shadow=drawn("shadow", -0.15, 0.15),
        )


MEAN = Variation()


def layout_of(
    framing: Framing,
    shot_seed: int,
    size: tuple[int, int] = (1, 1),
    *,
    height_cm: float | None = None,
    surface: float | None = None,
    variation: Variation = MEAN,
) -> Layout:
    """The regions of a framing in a picture of ``size``.

    Args:
        shot_seed: puts the product left or right, the same for all takes of the shot.
        height_cm: of the product; ``None`` fills its box.
        surface: where the place's surface begins on which things stand (:func:`standing_surface`).
    """
    layout = _framed(framing, size)
    if height_cm is not None:
        layout = _in_proportion(layout, framing, height_cm)
    layout = _varied(layout, variation)
    if surface is not None and layout.stands:
        layout = _on_surface(layout, surface)
    return layout.mirrored() if seed_of("side", shot_seed) % 2 else layout


def _framed(framing: Framing, size: tuple[int, int]) -> Layout:
    """The layout of the nearest aspect, unstretched, in the middle of the picture."""
    aspect = size[0] / size[1]
    nearest = min(FRAMED, key=lambda each: abs(math.log(each / aspect)))
    layout = FRAMED[nearest][framing]
    across, down = min(1.0, nearest / aspect), min(1.0, aspect / nearest)

    def fitted(box: Box) -> Box:
        left, right = (value * across + (1 - across) / 2 for value in (box.left, box.right))
        top, bottom = (value * down + (1 - down) / 2 for value in (box.top, box.bottom))
        # What reached the picture's edge still does.
        return Box(
            left if box.left > 0 else 0.0,
            top,
            right if box.right < 1 else 1.0,
            bottom if box.bottom < 1 else 1.0,
        )

    face = fitted(layout.face) if layout.face else None
    return Layout(fitted(layout.product), layout.stands, face, tuple(map(fitted, layout.free)))


def _in_proportion(layout: Layout, framing: Framing, height_cm: float) -> Layout:
    """The product as high as it is beside the person's head; alone it fills its box."""
    if layout.face is None:
        return layout
    wanted = height_cm / _HEAD_CM * layout.face.height * _NEARER.get(framing, 1.0) / layout.product.height
    height = min(_LARGEST, max(_SMALLEST, wanted))
    return replace(layout, product=_inside(layout.product.scaled(_ROOM, height)))


def _inside(box: Box) -> Box:
    return Box(max(0.0, box.left), max(0.0, box.top), min(1.0, box.right), min(1.0, box.bottom))


def _varied(layout: Layout, variation: Variation) -> Layout:
    """Person and product each with what belongs to them."""

    def person(box: Box) -> Box:
        right, down, size = variation.person
        return _inside(box.scaled(size, size).moved(right, down))

    def product(box: Box) -> Box:
        right, down, _ = variation.product
        return _inside(box.moved(right, down))

    size = variation.product[2]
    *body, support = layout.free
    return Layout(
        product=product(layout.product.scaled(size, size)),
        stands=layout.stands,
        face=person(layout.face) if layout.face else None,
        free=(*map(person, body), product(support)),
    )


def _on_surface(layout: Layout, surface: float) -> Layout:
    """The product, and what is drawn under it, moved down until it stands on the place's surface."""
    down = min(_LOWEST - layout.product.bottom, surface + _ON - layout.product.bottom)
    if down <= 0:
        return layout
    *body, support = layout.free
    return replace(layout, product=layout.product.moved(0, down), free=(*body, _inside(support.moved(0, down))))


_ROWS, _STRIP = 96, 4
_STEP = 10.0
_ACROSS = 0.6
_SEARCHED = (0.35, 0.9)
_CALM = 0.8


def standing_surface(place: Image.Image) -> float | None:
    """Where the ground or table of a place begins, as a share of the picture's height from above; ``None`` where
    nothing tells.

    The far end of a surface is a line across most of the picture with fewer edges below than above: of those lines,
    the one with the largest step.
    """
    small = place.convert("RGB").resize((_ROWS, _ROWS), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float32)
    edges = np.abs(np.diff(pixels, axis=1)).mean(axis=(1, 2))
    found, largest = None, 0.0
    for row in range(round(_SEARCHED[0] * _ROWS), round(_SEARCHED[1] * _ROWS)):
        step = np.abs(pixels[row : row + _STRIP].mean(axis=0) - pixels[row - _STRIP : row].mean(axis=0)).mean(axis=1)
        across, size = float((step > _STEP).mean()), float(np.median(step))
        if across >= _ACROSS and size > largest and edges[row:].mean() <= _CALM * edges[:row].mean():
            found, largest = row / _ROWS, size
    return found


def place(cutout: Image.Image, layout: Layout, size: tuple[int, int]) -> Image.Image:
    """The product at its place: a transparent picture of ``size`` with the cut-out in it, its aspect kept."""
    left, top, right, bottom = layout.product.pixels(size)
    scale = min((right - left) / cutout.width, (bottom - top) / cutout.height)
    width, height = max(1, round(cutout.width * scale)), max(1, round(cutout.height * scale))
    # Pillow resizes RGBA with premultiplied alpha, so no colour of the old background bleeds in.
    scaled = cutout.resize((width, height), Image.Resampling.LANCZOS)
    layer = Image.new("RGBA", size)
    layer.paste(scaled, (round((left + right - width) / 2), bottom - height))
    return layer


def working_size(asked: tuple[int, int], native: tuple[int, int], step: int) -> tuple[int, int]:
    """The size at which models of ``native`` size draw a picture of ``asked`` size: about the native area, the asked
    aspect, both edges multiples of ``step`` pixels."""
    scale = ((native[0] * native[1]) / (asked[0] * asked[1])) ** 0.5
    width, height = (max(step, round(edge * scale / step) * step) for edge in asked)
    return width, height


def composition_of(shot: Shot) -> Composition:
    """What a picture's framing alone says of what is where in it, for pictures of which nobody noted it."""
    layout = layout_of(shot.framing, shot.seed)
    areas = {"product": area_of(layout.product), **({"face": area_of(layout.face)} if layout.face else {})}
    return Composition(areas, ("product",))


def area_of(box: Box) -> Area:
    """The part of a box that lies within the picture."""
    return Area(max(0.0, box.left), max(0.0, box.top), min(1.0, box.right), min(1.0, box.bottom))
