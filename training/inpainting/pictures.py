"""Rendered parts as layers, and the collages that are made of them again in every batch.

A collage is made as :mod:`generation.scene` makes it, of the place, the product in a packshot's light and the person in
a studio's. What it lacks against the rendered whole is what a UNet has to learn: the place's light on the person, arm
and hand, plinth, contact shadows. The portraits of a run are those of the bundle's prior: soft, now and then wrong. The
prior's portrait of the same person in the same pose therefore lies beside the rendered person. Portraits are also cut
out a little wide and end at their lower edge, so that is done to the person too, each time differently.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers import AutoencoderTiny
from PIL import Image, ImageFilter
from torch import Tensor
from tqdm import tqdm

from brief.types import Framing
from generation.painters.stable_diffusion.portrait_prior import PortraitPrior
from generation.scene.collage import collage
from generation.scene.cutout import on_white
from generation.scene.layout import LAYOUTS
from generation.scene.light import relight
from training.captions import to_ids
from training.clip import normalised
from training.sketch import prior_portraits
from training.world import pool
from training.world.captions import caption, flip_caption
from training.world.dataset import World
from training.world.kernels import params as p
from training.world.parts import FOLDER, PERSON, PLATE, PRODUCT, SHARD, WHOLE, part_params
from training.world.picture import PRODUCT_IDS
from training.world.scene import Scene, scene_params

Bytes = npt.NDArray[np.uint8]

TARGET, GROUND, FIGURE, THING = slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12)
FIGURE_MASK, THING_ALPHA, LABELS, CUT, FRAMING = 12, 13, 14, 15, 16
PRIOR = slice(17, 20)
_LAYERS = 20
_SHOWS, _DISTANCE, _ELEVATION = 1.8, 9.0, 0.10
"""Of the camera: half of what a portrait shows, how far away it is, how much higher it looks per unit of depth."""


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """``n`` shots of a split.

    Attributes:
        pictures: uint8 [20, S, S] each: the whole, the ground (place, contact shadow and product), the person in the
            place's light, the product, the person's outline, the product's alpha, what each pixel of the whole shows,
            the row below which a portrait of the person ends, the framing's number, and the person as the bundle's
            prior draws it, in the place's light.
        features: float16 [3, tokens, width] each: the image encoder's, of person, product and place.
        ids: int16 [2, 2, positions] each: the caption and a shorter one, of the picture and its mirror image.
        nothing: [tokens, width], the image encoder's features of no picture.
        empty: [positions], ids of no words.
    """

    pictures: list[Bytes]
    features: list[Tensor]
    ids: list[Tensor]
    nothing: Tensor
    empty: Tensor

    def __len__(self) -> int:
        return len(self.pictures)


def whole_shots(data: Path, count: int) -> Tensor:
    """About ``count`` rendered shots under ``data``/parts, [n, 3, S, S] in -1 to 1.

    Raises:
        FileNotFoundError: nothing is rendered; says how to.
    """
    found = []
    for shard in _shards(data)[: -(-count // SHARD)]:
        with np.load(shard) as images:
            found.append(_pixels(images["images"][:, WHOLE]))
    return torch.cat(found)


def _shards(data: Path) -> list[Path]:
    shards = sorted((data / FOLDER).glob("*.npz"))
    if not shards:
        raise FileNotFoundError(f"{data / FOLDER} is empty: write shards with `python -m training.world.parts`")
    return shards


@dataclass(frozen=True, slots=True, eq=False)
class Makers:
    """What layers are made with: a bundle's image encoder and tokenizer, its portrait prior and the prior's decoder."""

    encoder: Any
    tokenizer: Any
    prior: PortraitPrior
    decoder: AutoencoderTiny


@torch.inference_mode()
def read_layers(data: Path, makers: Makers) -> Layers:
    """Layers of everything that is rendered under ``data``/parts; made once, kept in ``data``/layers.

    Raises:
        FileNotFoundError: nothing is rendered; says how to.
    """
    plan = World(data).plan
    edge = makers.encoder.config.image_size
    nothing = makers.encoder(torch.zeros(1, 3, edge, edge), output_hidden_states=True).hidden_states[-2][0]
    layers = Layers([], [], [], nothing, to_ids(makers.tokenizer, [""])[0])
    for shard in tqdm(_shards(data), desc="layers", unit="shard", mininterval=5.0):
        kept = data / "layers" / f"{shard.stem}.npz"
        if not _is_whole(kept):
            kept.parent.mkdir(exist_ok=True)
            _write_layers(kept, plan, shard, makers)
        with np.load(kept) as found:
            layers.pictures.extend(found["pictures"])
            layers.features.extend(torch.from_numpy(found["features"]))
            layers.ids.extend(torch.from_numpy(found["ids"]))
    return layers


def _is_whole(file: Path) -> bool:
    """Whether all layers are in ``file``: there were fewer once."""
    if not file.exists():
        return False
    with np.load(file) as found:
        return bool(found["pictures"].shape[1] == _LAYERS)


def _write_layers(file: Path, plan: pool.Plan, shard: Path, makers: Makers) -> None:
    first = int(shard.stem)
    scenes = [pool.shot(plan, number).scene for number in range(first, first + SHARD)]
    with np.load(shard) as found:
        images, ids = found["images"], found["ids"]
    vectors = [part_params(plan, number)[PERSON] for number in range(first, first + SHARD)]
    portraits = _portraits(scenes, vectors, makers, images.shape[2])
    pictures = np.stack([_layers(*row) for row in zip(scenes, images, ids, portraits, strict=True)])
    shown = [square for row in zip(scenes, images, pictures, strict=True) for square in _shown(*row)]
    features = [
        makers.encoder(normalised(_pixels(np.stack(shown[at : at + 32]))), output_hidden_states=True).hidden_states[-2]
        for at in range(0, len(shown), 32)
    ]
    rng = np.random.default_rng(first)
    texts = [text for scene in scenes for text in (caption(scene), caption(scene, rng))]
    told, turned = (to_ids(makers.tokenizer, each) for each in (texts, [flip_caption(text) for text in texts]))
    words = torch.stack([told, turned], 1)
    # Several processes that train together make the same layers at once.
    partial = file.with_suffix(f".{os.getpid()}.partial")
    with partial.open("wb") as stream:
        np.savez(
            stream,
            pictures=pictures,
            features=torch.cat(features).half().unflatten(0, (SHARD, 3)).numpy(),
            ids=words.to(torch.int16).unflatten(0, (SHARD, 2)).numpy(),
        )
    partial.replace(file)


def _portraits(scenes: list[Scene], vectors: list[p.Params], makers: Makers, size: int) -> list[Image.Image]:
    """The prior's portraits at their place in shots of ``size``, on its studio's wall; black where nobody is."""
    found = [Image.new("RGB", (size, size)) for _ in scenes]
    rows = [row for row, scene in enumerate(scenes) if scene.persona is not None]
    views = [_seen_from_aside(vectors[row]) for row in rows]
    drawn = prior_portraits(
        makers.prior, makers.decoder, [scene.persona for scene in scenes if scene.persona is not None], views
    )
    for row, pixels in zip(rows, drawn, strict=True):
        whole = vectors[row]
        # The portrait's camera has the person before it, the shot's beside and below its middle.
        nearer = _DISTANCE / (_DISTANCE - whole[p.PERSON_Z]) / whole[p.CAMERA_HALF]
        right = (whole[p.PERSON_X] - _SHOWS) * nearer
        down = (whole[p.CAMERA_Y] - whole[p.PERSON_Y] - _SHOWS + whole[p.PERSON_Z] * _ELEVATION) * nearer
        left, top, edge = (round(float(size / 2 * share)) for share in (1 + right, 1 + down, 2 * _SHOWS * nearer))
        wall = tuple(np.median(pixels[:2].reshape(-1, 3), axis=0).astype(int).tolist())
        found[row].paste(wall, (0, 0, size, size))
        found[row].paste(Image.fromarray(pixels).resize((edge, edge), Image.Resampling.LANCZOS), (left, top))
    return found


def _seen_from_aside(vector: p.Params) -> p.Params:
    """A person beside the camera's middle shows it another side."""
    turned = vector.copy()
    turned[p.YAW] += np.arctan2(vector[p.PERSON_X], _DISTANCE - vector[p.PERSON_Z])
    return turned


def _layers(scene: Scene, images: Bytes, ids: Bytes, portrait: Image.Image) -> Bytes:
    """One shot's layers [20, S, S]; see :class:`Layers`."""
    size = images.shape[1]
    place = Image.fromarray(images[PLATE])
    product = Image.fromarray(images[PRODUCT]).convert("RGBA")
    product.putalpha(_soft(np.isin(ids[PRODUCT], PRODUCT_IDS)))
    layout = LAYOUTS[Framing(scene.view.value)]
    who = Image.fromarray(images[PERSON])
    lit = relight(who.convert("RGBA"), who, place) if scene.persona else who
    begun = relight(portrait.convert("RGBA"), who, place) if scene.persona else portrait
    found = np.empty((_LAYERS, size, size), np.uint8)
    for layer, picture in (
        (TARGET, Image.fromarray(images[WHOLE])),
        (GROUND, collage(place, product, stands=layout.stands)),
        (FIGURE, lit),
        (THING, product),
        (PRIOR, begun),
    ):
        found[layer] = np.asarray(picture.convert("RGB")).transpose(2, 0, 1)
    found[FIGURE_MASK] = 255 * (ids[PERSON] > p.PLINTH_ID) if scene.persona else 0
    found[THING_ALPHA] = np.asarray(product.getchannel("A"))
    found[LABELS] = ids[WHOLE]
    found[CUT] = _portrait_ends(scene, size)
    found[FRAMING] = list(Framing).index(Framing(scene.view.value))
    return found


def _soft(mask: npt.NDArray[np.bool_]) -> Image.Image:
    """An outline a pixel smaller and about one pixel soft, as cut-outs of packshots are."""
    return (
        Image.fromarray((mask * 255).astype(np.uint8)).filter(ImageFilter.MinFilter(3)).filter(ImageFilter.BoxBlur(0.5))
    )


def _portrait_ends(scene: Scene, size: int) -> int:
    """The row of a shot at which a portrait of its person would end: the lower edge of the portrait's camera."""
    whole = scene_params(scene)
    away = _DISTANCE - whole[p.PERSON_Z]
    below = whole[p.CAMERA_Y] - (whole[p.PERSON_Y] - _SHOWS) + whole[p.PERSON_Z] * _ELEVATION
    row = size / 2 * (1 + below * _DISTANCE / away / whole[p.CAMERA_HALF])
    return round(float(row))


def _shown(scene: Scene, images: Bytes, layers: Bytes) -> list[Bytes]:
    """What the three adapters are shown: the person as in a portrait, the product on white, the place."""
    size = images.shape[1]
    place = Image.fromarray(images[PLATE])
    person = Image.new("RGB", (size, size))
    if scene.persona is not None:
        rows, columns = np.nonzero(layers[FIGURE_MASK])
        bottom = int(layers[CUT, 0, 0])
        middle = int(columns[rows < bottom].mean())
        person = Image.fromarray(images[PERSON]).crop((middle - bottom // 2, 0, middle + bottom // 2, bottom))
    product = Image.fromarray(layers[THING].transpose(1, 2, 0)).convert("RGBA")
    product.putalpha(Image.fromarray(layers[THING_ALPHA]))
    pack = on_white(product.crop(product.getchannel("A").getbbox()))
    return [np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC)) for picture in (person, pack, place)]


def _pixels(images: Bytes) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
