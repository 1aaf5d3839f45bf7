"""The images of a take, read and cut out: what every stage starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PIL import Image

from brief.images import read_image
from brief.recipe import Recipe
from brief.types import Scorecard, Shot, Take
from generation.bundle.card import BundleCard
from generation.scene.cutout import cut_out, place_figure
from generation.scene.layout import Layout, layout_of, place
from generation.scene.light import relight


@dataclass(frozen=True, slots=True)
class Material:
    """A take with its images decoded.

    Attributes:
        recipe: the numbers that hold for this take.
        size: (width, height) that the shot asks for, in pixels.
        cutout: the product alone, RGBA, at the packshot's resolution.
        photo: of the place, RGB.
        portrait: of the persona, RGB; ``None`` where the framing shows nobody.
    """

    inputs: TakeInputs
    recipe: Recipe
    size: tuple[int, int]
    layout: Layout
    cutout: Image.Image
    photo: Image.Image
    portrait: Image.Image | None

    def product(self, size: tuple[int, int]) -> Image.Image:
        """The cut-out at its place in a picture of ``size``, RGBA."""
        return place(self.cutout, self.layout, size)

    def figure(self, size: tuple[int, int]) -> Image.Image | None:
        """The portrait's person at its place and in its light in a picture of ``size``, RGBA; ``None`` where nobody is
        shown, or the recipe does not start from the portrait."""
        if self.portrait is None or self.layout.face is None or not self.recipe.face_keep:
            return None
        return relight(place_figure(self.portrait, self.layout.face, size), self.portrait, self.photo)

    def picture(self) -> Image.Image:
        """What the stage before made, RGB.

        Raises:
            ValueError: it is missing.
        """
        return opened(self.inputs.picture, f"picture of {self.inputs.shot.product.sku!r}").convert("RGB")


def read_material(card: BundleCard, inputs: TakeInputs) -> Material:
    """Decode and cut out the images of one take.

    Raises:
        ValueError: an image is missing, cannot be read or cut out; an unknown recipe or change.
    """
    shot = inputs.shot
    if inputs.picture is not None:
        inputs = replace(inputs, picture=opened(inputs.picture, f"picture of {shot.product.sku!r}"))
    packshot = f"packshot of {shot.product.sku!r}"
    portrait = None
    if shot.framing.has_person:
        name = shot.persona.name if shot.persona else "nobody"
        portrait = opened(inputs.portrait, f"portrait of {name!r}").convert("RGB")
    return Material(
        inputs=inputs,
        recipe=card.recipe_for(shot.recipe, inputs.take.changes),
        size=(shot.width or card.width, shot.height or card.height),
        layout=layout_of(shot.framing, shot.seed),
        cutout=cut_out(opened(inputs.packshot, packshot), packshot),
        photo=opened(inputs.photo, f"photo of environment {shot.environment.name!r}").convert("RGB"),
        portrait=portrait,
    )


ImageSource = bytes | Image.Image
"""An image file's bytes, or a decoded image (mode RGB or RGBA)."""


class MissingInput(ValueError):
    """A stage was not given an image that it needs; says which."""


@dataclass(frozen=True, slots=True)
class TakeInputs:
    """A take with its images.

    Attributes:
        packshot, photo: of the shot's product and environment.
        portrait: of the shot's persona; ``None`` only where the framing shows nobody.
        picture: what the stage before made: ``compose`` takes none, ``refine`` the composed picture, ``score`` the
            refined one.
    """

    shot: Shot
    take: Take
    packshot: ImageSource
    photo: ImageSource
    portrait: ImageSource | None = None
    picture: ImageSource | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a stage made of one item. Exactly one of ``image``, ``scorecard`` and ``error`` is set.

    Attributes:
        key: the take's key, or the portrait's.
        error: why it failed, in words for the person who must act; the other items went on.
        notes: what was done or left undone ("polish: kept the picture before, sharpness fell").
        seconds: wall-clock time, a batch's time shared equally among its items.
    """

    key: str
    image: Image.Image | None = None
    scorecard: Scorecard | None = None
    error: str | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


def opened(source: ImageSource | None, what: str) -> Image.Image:
    """Decode ``source``.

    Raises:
        MissingInput: there is none.
        brief.images.ImageRefused: it is not an image that can be used.
    """
    if source is None:
        raise MissingInput(f"{what} is missing")
    return read_image(source, what) if isinstance(source, bytes) else source
