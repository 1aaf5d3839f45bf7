"""Held-out people, products and places as a catalog has them: words and pictures, drawn by the renderer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageOps

from brief.plan import plan
from brief.types import BundleInfo, Campaign, Environment, Framing, ImageRef, Persona, Product, Shot
from generation.painters.stable_diffusion.portrait_prior import bones_of
from generation.scene.layout import layout_of
from training.world import pool
from training.world.kernels import params as p
from training.world.personas import IDENTITY_SIZE, WorldPersona, captioned
from training.world.picture import FACE_IDS, packshot_rgba, render_scenes
from training.world.places import DESCRIPTIONS
from training.world.scene import Scene, View
from training.world.splits import digest_number

_PACKSHOT = 256
_PERSON_IDS = (*FACE_IDS, p.TOP_ID, p.NECK)


@dataclass(frozen=True, slots=True, eq=False)
class Cast:
    """Rows of a catalog, by name, and their pictures by SHA-256.

    ``rendered`` holds for every persona what the renderer makes of the same features: what a perfect model would draw.
    """

    world: pool.Plan
    size: int

    personas: dict[str, Persona]
    products: dict[str, Product]
    places: dict[str, Environment]
    images: dict[str, Image.Image]
    rendered: dict[str, Image.Image]

    @property
    def photos(self) -> list[Image.Image]:
        """Of all places."""
        return [self.images[row.photo.sha256] for row in self.places.values()]


def draw_cast(personas: int, products: int, seed: int, size: int) -> Cast:
    """``personas`` people and ``products`` packshots of the held-out split, and every place once."""
    world = pool.Plan(seed=seed, split="held-out")
    images: dict[str, Image.Image] = {}
    people, rendered = {}, {}
    for number in range(personas):
        who = _who(world, number)
        name = f"persona-{number:03d}"
        people[name] = Persona(name, captioned(who.face), who.seed % 2**32)
        scene = Scene(View.PORTRAIT, digest_number(f"evaluation {seed} {number}") % 2**31, who)
        rendered[name] = _drawn([scene], size)[0]
    things = {}
    for number in range(products):
        shown = Image.fromarray(packshot_rgba(pool.packshot(world, number), _PACKSHOT, 2))
        row = pool.product(world, number)
        sku = f"SKU-{number:03d}"
        things[sku] = Product(sku, row.title, row.kind, _kept(shown, images))
    places = {}
    scenes = [pool.photo(world, number) for number in range(len(DESCRIPTIONS))]
    for scene, shown in zip(scenes, _drawn(scenes, size), strict=True):
        places[scene.place.name] = Environment(scene.place.name, scene.place.description, _kept(shown, images))
    return Cast(world, size, people, things, places, images, rendered)


@dataclass(frozen=True, slots=True, eq=False)
class TrueShot:
    """A rendering, and where it shows the person: mode L, 255 there, no hand."""

    image: Image.Image
    person: Image.Image


def true_shots(cast: Cast, shots: Sequence[Shot]) -> list[TrueShot]:
    """What the renderer makes of the same people, products and places in the same framings: what a perfect model would
    draw. A shot whose product is on the left is the mirror image."""
    people, products = list(cast.personas), list(cast.products)
    photos = {name: number for number, name in enumerate(cast.places)}
    scenes = [
        Scene(
            View(shot.framing.value),
            shot.seed % 2**31,
            _who(cast.world, people.index(shot.persona.name)) if shot.persona else None,
            pool.product(cast.world, products.index(shot.product.sku)),
            pool.photo(cast.world, photos[shot.environment.name]).place,
        )
        for shot in shots
    ]
    images, ids = render_scenes(scenes, cast.size)
    found = []
    for shot, *arrays in zip(shots, images, np.isin(ids, _PERSON_IDS), strict=True):
        image, person = (Image.fromarray(array) for array in arrays)
        sides = [image, person.convert("L")]
        found.append(TrueShot(*(map(ImageOps.mirror, sides) if _product_left(shot) else sides)))
    return found


def _who(world: pool.Plan, number: int) -> WorldPersona:
    """Person ``number`` with the bones that a bundle draws from the same seed: the renderer draws its own otherwise,
    and a rendering would show somebody else of the same features."""
    who = pool.persona(world, number)
    return replace(who, identity=bones_of(who.seed % 2**32, IDENTITY_SIZE).double().numpy())


def _product_left(shot: Shot) -> bool:
    layout = layout_of(shot.framing, shot.seed)
    return layout.face is not None and layout.product.left < layout.face.left


def _drawn(scenes: list[Scene], size: int) -> list[Image.Image]:
    found, _ = render_scenes(scenes, size)
    return [Image.fromarray(pixels) for pixels in found]


def _kept(image: Image.Image, images: dict[str, Image.Image]) -> ImageRef:
    digest = hashlib.sha256(image.tobytes()).hexdigest()
    images[digest] = image
    return ImageRef(f"evaluation/{digest}.png", digest)


def plan_shots(cast: Cast, bundle: BundleInfo, count: int, seed: int) -> list[Shot]:
    """``count`` shots of persons, spread over products, places, people and framings."""
    campaign = Campaign(
        name="evaluation",
        title="Evaluation",
        products=(),
        environments=tuple(cast.places),
        personas=tuple(cast.personas),
        framings=(Framing.HELD, Framing.PLINTH, Framing.CLOSE_UP),
        shots_per_product=-(-count // len(cast.products)),
        seed=seed,
    )
    shots = plan(campaign, cast.products, cast.places, cast.personas, bundle).shots
    return list(shots[:: max(1, len(shots) // count)][:count])
