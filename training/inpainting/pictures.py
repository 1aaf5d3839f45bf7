"""Rendered parts as layers, and the collages that are made of them anew in every batch.

A collage is made as :mod:`generation.scene` makes it, of the place, the product in a packshot's light and the person in
a studio's. What it lacks against the rendered whole is what a UNet has to learn: the place's light on the person, arm
and hand, plinth, contact shadows. The portraits of a run are soft, cut out a little wide and end at their lower edge,
so that is done to the person too, each time differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from tqdm import tqdm

from brief.types import Framing
from generation.scene.collage import collage
from generation.scene.cutout import on_white
from generation.scene.layout import LAYOUTS
from generation.scene.light import relight
from training.captions import to_ids
from training.clip import normalised
from training.world import pool
from training.world.captions import caption, flip_caption
from training.world.dataset import World
from training.world.kernels import params as p
from training.world.parts import FOLDER, PERSON, PLATE, PRODUCT, SHARD, WHOLE
from training.world.picture import PRODUCT_IDS
from training.world.scene import Scene, scene_params

Bytes = npt.NDArray[np.uint8]

TARGET, GROUND, FIGURE, THING = slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12)
FIGURE_MASK, THING_ALPHA, LABELS, CUT, FRAMING = 12, 13, 14, 15, 16
_LAYERS = 17


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """``n`` shots of a split.

    Attributes:
        pictures: uint8 [17, S, S] each: the whole, the ground (place, contact shadow and product), the person in the
            place's light, the product, the person's outline, the product's alpha, what each pixel of the whole shows,
            the row below which a portrait of the person ends, and the framing's number.
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


@torch.inference_mode()
def read_layers(data: Path, encoder: Any, tokenizer: Any) -> Layers:
    """Layers of everything that is rendered under ``data``/parts; made once, kept in ``data``/layers.

    Raises:
        FileNotFoundError: nothing is rendered; says how to.
    """
    plan = World(data).plan
    edge = encoder.config.image_size
    nothing = encoder(torch.zeros(1, 3, edge, edge), output_hidden_states=True).hidden_states[-2][0]
    layers = Layers([], [], [], nothing, to_ids(tokenizer, [""])[0])
    for shard in tqdm(_shards(data), desc="layers", unit="shard", mininterval=5.0):
        kept = data / "layers" / f"{shard.stem}.npz"
        if not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            _write_layers(kept, plan, shard, encoder, tokenizer)
        with np.load(kept) as found:
            layers.pictures.extend(found["pictures"])
            layers.features.extend(torch.from_numpy(found["features"]))
            layers.ids.extend(torch.from_numpy(found["ids"]))
    return layers


def _write_layers(file: Path, plan: pool.Plan, shard: Path, encoder: Any, tokenizer: Any) -> None:
    first = int(shard.stem)
    scenes = [pool.shot(plan, number).scene for number in range(first, first + SHARD)]
    with np.load(shard) as found:
        images, ids = found["images"], found["ids"]
    pictures = np.stack([_layers(*row) for row in zip(scenes, images, ids, strict=True)])
    shown = [square for row in zip(scenes, images, pictures, strict=True) for square in _shown(*row)]
    features = [
        encoder(normalised(_pixels(np.stack(shown[at : at + 32]))), output_hidden_states=True).hidden_states[-2]
        for at in range(0, len(shown), 32)
    ]
    rng = np.random.default_rng(first)
    texts = [text for scene in scenes for text in (caption(scene), caption(scene, rng))]
    words = torch.stack([to_ids(tokenizer, texts), to_ids(tokenizer, [flip_caption(text) for text in texts])], 1)
    partial = file.with_suffix(".partial")
    with partial.open("wb") as stream:
        np.savez(
            stream,
            pictures=pictures,
            features=torch.cat(features).half().unflatten(0, (SHARD, 3)).numpy(),
            ids=words.to(torch.int16).unflatten(0, (SHARD, 2)).numpy(),
        )
    partial.replace(file)


def _layers(scene: Scene, images: Bytes, ids: Bytes) -> Bytes:
    """One shot's layers [17, S, S]; see :class:`Layers`."""
    size = images.shape[1]
    place = Image.fromarray(images[PLATE])
    product = Image.fromarray(images[PRODUCT]).convert("RGBA")
    product.putalpha(_soft(np.isin(ids[PRODUCT], PRODUCT_IDS)))
    layout = LAYOUTS[Framing(scene.view.value)]
    who = Image.fromarray(images[PERSON])
    lit = relight(who.convert("RGBA"), who, place) if scene.persona else who
    found = np.empty((_LAYERS, size, size), np.uint8)
    for layer, picture in (
        (TARGET, Image.fromarray(images[WHOLE])),
        (GROUND, collage(place, product, stands=layout.stands)),
        (FIGURE, lit),
        (THING, product),
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
    shows, distance, elevation = 1.8, 9.0, 0.10
    away = distance - whole[p.PERSON_Z]
    below = whole[p.CAMERA_Y] - (whole[p.PERSON_Y] - shows) + whole[p.PERSON_Z] * elevation
    row = size / 2 * (1 + below * distance / away / whole[p.CAMERA_HALF])
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
