"""Where things are in a picture: boxes per framing, in fractions of its width and height.

The boxes are the mean ones of the rendered world on which the starter bundle is trained (product right of the person);
the shot's seed decides whether the picture is mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from brief.recipe import seed_of
from brief.types import Area, Composition, Framing, Shot


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
        free: where the model draws what the environment photo does not have: body, arm, plinth.
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


def layout_of(framing: Framing, shot_seed: int) -> Layout:
    """The regions of a framing; the shot's seed puts the product left or right, the same for all its takes."""
    layout = LAYOUTS[framing]
    return layout.mirrored() if seed_of("side", shot_seed) % 2 else layout


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
