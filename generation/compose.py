"""Composition: person, product and place in one picture, each by its own IP-Adapter in its own region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from generation.bundle import Bundle
from generation.cutout import cut_out
from generation.denoise import Drawing, denoise
from generation.encode import adapter_inputs
from generation.encoders import Encoders
from generation.inputs import TakeInputs, opened
from generation.latents import decode_latents, encode_images, to_images
from generation.layout import layout_of, place, working_size
from generation.recipe import Recipe
from generation.scene import Regions, collage, paste_product, regions


@dataclass(frozen=True, slots=True)
class Scene:
    """A take made ready for the models; all pictures are of ``size``.

    Attributes:
        product: the placed cut-out, RGBA.
        collage: photo and product (and the portrait's face, if it is kept), RGB.
        shown: what each adapter is shown, per role; ``None`` for the face of a picture without a person.
    """

    inputs: TakeInputs
    recipe: Recipe
    size: tuple[int, int]
    product: Image.Image
    collage: Image.Image
    regions: Regions
    shown: tuple[Image.Image | None, Image.Image, Image.Image]


def lay_out(bundle: Bundle, inputs: TakeInputs) -> Scene:
    """Read and place everything of one take, at the size the models draw it.

    Raises:
        ValueError: an image is missing, cannot be read or cut out; an unknown recipe or change.
    """
    shot = inputs.shot
    recipe = bundle.card.recipe_for(shot.recipe, inputs.take.changes)
    asked = (shot.width or bundle.card.width, shot.height or bundle.card.height)
    size = working_size(asked, (bundle.card.width, bundle.card.height), size_step(bundle))
    cutout = cut_out(opened(inputs.packshot, f"packshot of {shot.product.sku!r}"))
    photo = opened(inputs.photo, f"photo of environment {shot.environment.name!r}").convert("RGB")
    portrait = opened(inputs.portrait, f"portrait of {_name(inputs)!r}") if shot.framing.has_person else None
    layout = layout_of(shot.framing, shot.seed)
    product = place(cutout, layout, size)
    start = collage(photo, product, layout, portrait if recipe.face_keep else None)
    return Scene(inputs, recipe, size, product, start, regions(layout, product), (portrait, cutout, photo))


def size_step(bundle: Bundle) -> int:
    """Picture edges are multiples of it, so that every level of the UNet halves evenly and masks stay in place."""
    return bundle.scale_factor * 2 ** (len(bundle.unet.config.block_out_channels) - 1)


def _name(inputs: TakeInputs) -> str:
    persona = inputs.shot.persona
    return persona.name if persona else inputs.shot.key


def to_drawings(bundle: Bundle, encoders: Encoders, scenes: Sequence[Scene]) -> list[Drawing]:
    """Encode words, images and collages of ``scenes``, which may differ in size, each in as few calls as can be."""
    texts = encoders.texts.encode([scene.inputs.shot.prompt for scene in scenes])
    negatives = [encoders.texts.negative(scene.inputs.shot.negative) for scene in scenes]
    found = iter(encoders.images.encode([image for scene in scenes for image in scene.shown if image is not None]))
    nothing = encoders.images.nothing()
    shown = [[nothing if image is None else next(found) for image in scene.shown] for scene in scenes]
    blank = adapter_inputs(bundle, [nothing] * 3)
    drawings = []
    for scene, text, negative, images in zip(scenes, texts, negatives, shown, strict=True):
        latent = (scene.size[0] // bundle.scale_factor, scene.size[1] // bundle.scale_factor)
        drawings.append(
            Drawing(
                size=scene.size,
                text=text,
                negative=negative,
                images=adapter_inputs(bundle, images),
                no_images=blank,
                masks=scene.regions.masks(scene.recipe, latent),
                seed=scene.inputs.take.seed,
                steps=scene.recipe.steps,
                guidance=scene.recipe.guidance,
                guidance_until=scene.recipe.guidance_until,
                reference=encode_images(bundle, [scene.collage])[0],
                keep=scene.regions.keep(scene.recipe, latent),
            )
        )
    return drawings


def draw_scenes(bundle: Bundle, scenes: Sequence[Scene], drawings: Sequence[Drawing]) -> list[Image.Image]:
    """Draw ``drawings`` of one group and put the products' own pixels back."""
    pictures = to_images(decode_latents(bundle, denoise(bundle, drawings)))
    return [paste_product(picture, scene.product) for picture, scene in zip(pictures, scenes, strict=True)]
