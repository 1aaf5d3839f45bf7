"""Composition: person, product and place in one picture, each by its own IP-Adapter in its own region."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from brief.prompts import take_prompt
from generation.bundle.load import Bundle
from generation.models import Models
from generation.painters.stable_diffusion.denoise import denoise
from generation.painters.stable_diffusion.encode_image import adapter_inputs
from generation.painters.stable_diffusion.latents import decode_latents, encode_images, to_images
from generation.painters.stable_diffusion.sample import Sample
from generation.scene.collage import Regions, collage, put_back, regions
from generation.scene.cutout import on_white
from generation.scene.layout import working_size
from generation.scene.material import Material


@dataclass(frozen=True, slots=True)
class Scene:
    """A take laid out for the models; all pictures are of ``size``, at which the models draw.

    Attributes:
        product: the placed cut-out, RGBA.
        collage: photo and product (and the portrait's figure, if its face is kept), RGB.
    """

    material: Material
    size: tuple[int, int]
    product: Image.Image
    collage: Image.Image
    regions: Regions

    @property
    def key(self) -> str:
        """The take's."""
        return self.material.inputs.take.key

    @property
    def shown(self) -> tuple[Image.Image | None, Image.Image, Image.Image]:
        """What each adapter is shown, per role; nothing for the face of a picture without a person."""
        return (self.material.portrait, on_white(self.material.cutout), self.material.photo)


def lay_out(bundle: Bundle, material: Material) -> Scene:
    """Place everything of one take, at the size at which the models draw it."""
    size = working_size(material.size, (bundle.card.width, bundle.card.height), size_step(bundle))
    product = material.product(size)
    start = collage(material.photo, product, material.layout, material.figure(size))
    return Scene(material, size, product, start, regions(material.layout, product))


def size_step(bundle: Bundle) -> int:
    """Picture edges are multiples of it, so that every level of the UNet halves evenly and masks stay in place."""
    levels = len(bundle.unet.config.block_out_channels)
    return int(bundle.scale_factor * 2 ** (levels - 1))


def to_samples(models: Models, scenes: Sequence[Scene]) -> list[Sample]:
    """Encode words and images of ``scenes``, all in one batch each."""
    bundle = models.bundle
    asked = [scene.material.inputs for scene in scenes]
    texts = models.texts.encode([take_prompt(each.shot, each.take) for each in asked])
    found = iter(models.images.encode([image for scene in scenes for image in scene.shown if image is not None]))
    nothing = models.images.nothing()
    blank = adapter_inputs(bundle, [nothing] * 3)
    samples = []
    for scene, text in zip(scenes, texts, strict=True):
        recipe, shot = scene.material.recipe, scene.material.inputs.shot
        latent = (scene.size[0] // bundle.scale_factor, scene.size[1] // bundle.scale_factor)
        shown = [nothing if image is None else next(found) for image in scene.shown]
        samples.append(
            Sample(
                size=scene.size,
                text=text,
                negative=models.texts.negative(shot.negative),
                images=adapter_inputs(bundle, shown),
                no_images=blank,
                masks=scene.regions.masks(recipe, latent),
                seed=scene.material.inputs.take.seed,
                steps=recipe.steps,
                guidance=recipe.guidance,
                guidance_until=recipe.guidance_until,
                reference=encode_images(bundle, [scene.collage])[0],
                keep=scene.regions.keep(recipe, latent),
            )
        )
    return samples


def draw_scenes(bundle: Bundle, scenes: Sequence[Scene], samples: Sequence[Sample]) -> list[Image.Image]:
    """Draw ``samples`` and put back what is kept to the end."""
    pictures = draw_pictures(bundle, samples)
    return [put_back(picture, scene.material) for picture, scene in zip(pictures, scenes, strict=True)]


def draw_pictures(bundle: Bundle, samples: Sequence[Sample]) -> list[Image.Image]:
    """One picture per sample, in their order; those of one group share a batch."""
    groups: dict[object, list[int]] = defaultdict(list)
    for number, sample in enumerate(samples):
        groups[sample.group].append(number)
    pictures: dict[int, Image.Image] = {}
    for numbers in groups.values():
        drawn = denoise(bundle, [samples[number] for number in numbers])
        pictures.update(zip(numbers, to_images(decode_latents(bundle, drawn)), strict=True))
    return [pictures[number] for number in range(len(samples))]
