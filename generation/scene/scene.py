"""A take laid out at one size: everything at its place, each part made once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

import torch
from PIL import Image, ImageChops, ImageFilter
from torch import Tensor
from torch.nn import functional

from brief.recipe import Recipe
from brief.types import Area, Composition
from generation.bundle.card import BundleCard
from generation.scene.collage import collage, fit, paste_product, product_mask
from generation.scene.cutout import on_white, placed_person
from generation.scene.layout import area_of, place, working_size
from generation.scene.light import relight
from generation.scene.material import Material
from generation.scene.regions import Regions, drawn_share, grown, regions, to_mask, to_shares

_TO_THE_END = 1.0
_RIM = 64
"""The rim round a figure that is left as drawn is a 64th of the picture wide."""
_GAIN = 8
_EDGE = 64
"""A figure's edge is a 64th of the picture wide, and from afar so much is one blur."""
_SAME, _SURELY = 6.0, 10.0
"""Differences up to so much, of 255, are none; so much above that they surely are."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A take laid out in a picture of ``size`` (width, height) in pixels; all its pictures are of that size.

    Attributes:
        recipe: the numbers that hold for this take.
        hint: of the painter (:attr:`generation.painter.Painter.hint`). One that completes pictures draws where
            :attr:`drawn` says and leaves the rest as it is to the end, whatever the recipe keeps.
    """

    material: Material
    recipe: Recipe
    size: tuple[int, int]
    hint: str | None = None

    @cached_property
    def product(self) -> Image.Image:
        """The cut-out at its place, RGBA."""
        return place(self.material.cutout.image, self.material.layout, self.size)

    @cached_property
    def figure(self) -> Image.Image | None:
        """The portrait's person at its place and in the light of the place, RGBA; ``None`` where nobody is shown, or
        the picture does not start from the portrait."""
        person, face = self.material.person, self.material.layout.face
        wanted = self.hint == "figure" if self.hint else self.recipe.face_keep > 0
        if person is None or face is None or not wanted:
            return None
        variation = self.material.variation
        placed = placed_person(person, face, self.size, variation.tilt)
        return relight(placed, person, self.material.place, variation.light)

    @cached_property
    def plate(self) -> Image.Image:
        """The empty place, RGB."""
        return fit(self.material.place, self.size, self.material.variation)

    @cached_property
    def backdrop(self) -> Image.Image:
        """The place with the product and its shadow, without the person, RGB."""
        return self._collage(None)

    @cached_property
    def collage(self) -> Image.Image:
        """The place with the product, and the portrait's figure if its face is kept, RGB."""
        return self.backdrop if self.figure is None else self._collage(self.figure)

    def _collage(self, figure: Image.Image | None) -> Image.Image:
        stands, variation = self.material.layout.stands, self.material.variation
        return collage(self.plate, self.product, stands=stands, figure=figure, variation=variation)

    @cached_property
    def composition(self) -> Composition:
        """Where the product and the face are, and which parts hold pixels of what was delivered."""
        layout, place_kept = self.material.layout, self.hint is not None or self.recipe.environment_keep >= _TO_THE_END
        box = self.product.getchannel("A").getbbox() or (0, 0, *self.size)
        width, height = self.size
        areas = {"product": Area(box[0] / width, box[1] / height, box[2] / width, box[3] / height)}
        if layout.face is not None:
            areas["face"] = area_of(layout.face)
        return Composition(areas, ("product", "place") if place_kept else ("product",))

    @cached_property
    def regions(self) -> Regions:
        return regions(self.material.layout, self.product, self.material.references)

    @cached_property
    def drawn(self) -> Tensor:
        """[height, width] in 0 to 1: where a painter that completes pictures draws."""
        person = self.regions.face if self.figure is None else to_shares(self.figure.getchannel("A"))
        return drawn_share(self.regions.free, person, self.regions.product)

    @cached_property
    def references(self) -> Mapping[str, Sequence[Image.Image]]:
        """The pictures that each role is shown; a role without one (the face of a still) is not in it."""
        person = self.material.person
        return {
            **({} if person is None else {"face": [person]}),
            "product": [on_white(self.material.cutout.image)],
            "environment": [self.material.place],
            **{role: [image] for role, image in self.material.campaign_images.items()},
        }


def asked_size(card: BundleCard, material: Material) -> tuple[int, int]:
    """(width, height) in pixels that the shot asks for."""
    return (material.shot.width or card.width, material.shot.height or card.height)


def drawn_scene(card: BundleCard, step: int, material: Material, hint: str | None = None) -> Scene:
    """``material`` laid out at the size at which the models of ``card`` draw it, edges multiples of ``step`` pixels.

    Raises:
        ValueError: an unknown recipe or change.
    """
    size = working_size(asked_size(card, material), (card.width, card.height), step)
    return Scene(material, card.recipe_for(material.shot.recipe, material.take.changes), size, hint)


def delivered_scene(card: BundleCard, material: Material, hint: str | None = None) -> Scene:
    """``material`` laid out at the size that its shot asks for.

    Raises:
        ValueError: an unknown recipe or change.
    """
    recipe = card.recipe_for(material.shot.recipe, material.take.changes)
    return Scene(material, recipe, asked_size(card, material), hint)


def put_back(picture: Image.Image, scene: Scene) -> Image.Image:
    """``picture`` (RGB, of the scene's size) with the product's own pixels, and the photo's and the portrait's where
    they are kept to the end."""
    picture = picture.convert("RGB")
    masks = _kept_masks(scene)
    if "environment" in masks:
        kept = masks["environment"]
        if scene.hint is not None and scene.figure is not None:
            kept = ImageChops.lighter(kept, _left_as_it_was(picture, scene, scene.figure))
        picture = Image.composite(scene.backdrop, picture, kept)
    if "identity" in masks and scene.figure is not None:
        picture = Image.composite(scene.figure.convert("RGB"), picture, masks["identity"])
    return paste_product(picture, scene.product)


def _left_as_it_was(picture: Image.Image, scene: Scene, figure: Image.Image) -> Image.Image:
    """Where a painter that was shown a ``figure`` drew nothing but the place, mode L, 255 there: beyond the figure's
    edge, and where nothing new is to be seen from afar. What it draws of a place is softer than the photo."""
    edge = max(1, max(picture.size) // _EDGE)
    afar = ImageFilter.GaussianBlur(edge)
    differs = ImageChops.difference(picture.filter(afar), scene.backdrop.filter(afar))
    most = 255 * to_shares(reduce(ImageChops.lighter, differs.split()))
    new = grown(((most - _SAME) / _SURELY).clamp(0, 1), max(1, edge // 2))
    person = grown(to_shares(figure.getchannel("A")), edge)
    drawn = torch.maximum(person, torch.minimum(new, scene.regions.free))
    soft = max(1, edge // 2)
    return to_mask(1 - functional.avg_pool2d(drawn[None], 2 * soft + 1, 1, soft, count_include_pad=False)[0])


def kept_parts(scene: Scene) -> Mapping[str, Image.Image]:
    """Where :func:`put_back` puts the originals' own pixels, as masks of mode L, by the dimension of a scorecard that
    would compare them with themselves."""
    product = scene.product.getchannel("A")
    masks = _kept_masks(scene)
    if "identity" in masks and "environment" in masks:
        masks["environment"] = ImageChops.subtract(masks["environment"], masks["identity"])
    beside = {name: ImageChops.subtract(mask, product) for name, mask in masks.items()}
    return {"product": product_mask(scene.product), **beside}


def _kept_masks(scene: Scene) -> dict[str, Image.Image]:
    if scene.hint is not None:
        return {"environment": to_mask(1 - scene.drawn)}
    masks = {}
    if scene.recipe.environment_keep >= _TO_THE_END:
        masks["environment"] = _kept_place(scene)
    if scene.recipe.face_keep >= _TO_THE_END and scene.figure is not None:
        masks["identity"] = ImageChops.multiply(to_mask(scene.regions.face), scene.figure.getchannel("A"))
    return masks


def _kept_place(scene: Scene) -> Image.Image:
    mask = to_mask(scene.regions.kept_place)
    if scene.figure is not None:
        mask.paste(0, mask=_with_rim(scene.figure.getchannel("A")))
    return mask


def _with_rim(alpha: Image.Image) -> Image.Image:
    """An outline that is wider all round by about two rims, with a soft edge; a maximum filter would take 60 times
    as long."""
    return alpha.filter(ImageFilter.GaussianBlur(max(alpha.size) / _RIM)).point(lambda value: min(255, _GAIN * value))
