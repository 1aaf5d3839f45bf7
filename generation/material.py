"""The images of a take, read and cut out: what every stage starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PIL import Image

from generation.bundle_card import BundleCard
from generation.cutout import cut_out
from generation.figure import place_figure
from generation.inputs import TakeInputs, opened
from generation.layout import Layout, layout_of, place
from generation.light import relight
from generation.recipe import Recipe


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
