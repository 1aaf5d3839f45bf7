"""Collages to complete, made again for every batch, with everything the UNet is told and what it should draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from brief.types import Framing
from generation.bundle.patches import PatchAutoencoder
from generation.scene.layout import LAYOUTS
from generation.scene.regions import drawn_share, grown, regions
from training.inpainting.pictures import (
    CUT,
    FIGURE,
    FIGURE_MASK,
    FRAMING,
    GROUND,
    LABELS,
    PRIOR,
    TARGET,
    THING,
    THING_ALPHA,
    Layers,
)
from training.world.kernels import params as p
from training.world.picture import FACE_IDS

_BLANK, _BLANK_WORDLESS = 0.3, 0.7
"""How often nothing of a collage is shown, so that words and adapters alone have to say what is drawn; and how often
not even words."""
_NO_PRODUCT = 0.2
"""How often the product alone is not shown and has to be drawn after its packshot."""
_NO_WORDS, _NO_IMAGE, _SHORT = 0.12, 0.1, 0.35
_BY_PRIOR, _SOFT, _SOFTEST = 0.3, 0.3, 1.0
"""How often a portrait is the prior's; how often another is soft, and how many times fewer its pixels are at most, less
one."""
_CRISPEST = 1.5
_CUT_JITTER = 3
_WIDER = 3
"""Pixels by which a person is cut out too wide at most."""
_CHANGED = 0.06
"""Difference, of 1, from which a pixel of the whole is another than that of the place."""
_KEPT_WEIGHT, _NEW_WEIGHT, _FACE_WEIGHT, _PRODUCT_WEIGHT = 0.1, 5.0, 1.5, 6.0
"""What an error weighs where nothing is drawn, and how much more where hand or plinth is, a face, or a product that is
not shown."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """``n`` collages.

    Attributes:
        target, hint: latents [n, c, h, w] of the whole and of its collage.
        mask: [n, 1, h, w], 1 where the UNet draws.
        weight: [n, 1, h, w] of an error.
        roles: [n, 3, h, w], where the adapters for face, product and place act.
        ids: [n, positions]. images: three times [n, 1, tokens, width].
        thing: [n, 3, S, S], pixels of the product alone, where it stands. product: [n, 1, S, S], its alpha.
        hidden: [n], whether the collage does not show the product, so that it is drawn.
        person: [n], whether anybody is in the shot. framing: [n], number of the framing. turned: [n], mirrored.
    """

    target: Tensor
    hint: Tensor
    mask: Tensor
    weight: Tensor
    roles: Tensor
    ids: Tensor
    images: list[Tensor]
    thing: Tensor
    product: Tensor
    hidden: Tensor
    person: Tensor
    framing: Tensor
    turned: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch on ``device``."""
        return self._map(lambda value: value.to(device))

    def split(self, count: int) -> list[Batch]:
        """The same collages, ``count`` to a batch."""
        starts = range(0, len(self.target), count)
        return [self._map(partial(_rows, start, start + count)) for start in starts]

    def _map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return Batch(
            change(self.target),
            change(self.hint),
            change(self.mask),
            change(self.weight),
            change(self.roles),
            change(self.ids),
            [change(image) for image in self.images],
            change(self.thing),
            change(self.product),
            change(self.hidden),
            change(self.person),
            change(self.framing),
            change(self.turned),
        )


def _rows(first: int, last: int, value: Tensor) -> Tensor:
    return value[first:last]


class Collages:
    """Batches of the shots of ``layers``; random numbers come from torch's global generator."""

    def __init__(self, layers: Layers, patches: PatchAutoencoder) -> None:
        self.layers, self.patches = layers, patches
        edge = layers.pictures[0].shape[-1]
        nothing = Image.new("RGBA", (edge, edge))
        self._free = torch.stack([regions(LAYOUTS[framing], nothing).free for framing in Framing])

    def draw(self, count: int) -> Batch:
        """Collages of random shots, mirrored half of the time, some blank."""
        rows, turned = torch.randint(len(self.layers), (count,)), torch.rand(count) < 0.5
        made: Batch = self.of(rows, turned, torch.rand(count) < _BLANK, vary=True)
        return made

    # Eight bits of a pixel would not survive bfloat16.
    @torch.autocast("cpu", enabled=False)  # type: ignore[untyped-decorator]
    def of(self, rows: Tensor, turned: Tensor, blank: Tensor, *, vary: bool) -> Batch:
        """Collages of the shots at ``rows``; ``vary``: faults of portraits, missing products, words and images."""
        stored = torch.from_numpy(np.stack([self.layers.pictures[row] for row in rows.tolist()]))
        stored = torch.where(turned[:, None, None, None], stored.flip(3), stored)
        free = self._free[stored[:, FRAMING, 0, 0].long()]
        free = torch.where(turned[:, None, None], free.flip(2), free)
        whole, ground, thing = (stored[:, part].float() / 127.5 - 1 for part in (TARGET, GROUND, THING))
        product = stored[:, THING_ALPHA].float() / 255
        figure, outline = _figure(stored, vary=vary)
        hint = torch.lerp(ground, figure, outline[:, None])
        hint = torch.lerp(hint, thing, product[:, None])
        mask = drawn_share(free, outline, product)
        hidden = blank.clone()
        if vary:
            mask = torch.maximum(mask, _changed(whole, ground) * (torch.rand(len(rows), 1, 1) < 0.5))
            mask = mask * (1 - product)
            missing = torch.rand(len(rows)) < _NO_PRODUCT
            hidden |= missing
            unseen = grown(product, 1) * missing[:, None, None]
            hint, mask = hint * (1 - unseen)[:, None], torch.maximum(mask, unseen)
        empty = blank[:, None, None]
        hint, mask = torch.where(empty[:, None], 0.0, hint), torch.where(empty, 1.0, mask)
        weight, roles = _weight_and_roles(stored[:, LABELS], mask, product)
        return Batch(
            self.patches.encode(whole).latents,
            self.patches.encode(hint).latents,
            self._shrunk(mask[:, None]),
            self._shrunk(weight[:, None]),
            self._shrunk(roles),
            self._words(rows, turned, blank, vary=vary),
            self._images(rows, vary=vary),
            thing,
            product[:, None],
            hidden,
            stored[:, FIGURE_MASK].flatten(1).amax(1) > 0,
            stored[:, FRAMING, 0, 0].long(),
            turned,
        )

    def _shrunk(self, shares: Tensor) -> Tensor:
        return functional.avg_pool2d(shares, self.patches.patch)

    def _words(self, rows: Tensor, turned: Tensor, blank: Tensor, *, vary: bool) -> Tensor:
        chance = torch.rand(len(rows)) if vary else torch.ones(len(rows))
        silent = torch.where(blank, _BLANK_WORDLESS, _NO_WORDS)
        told = (chance < silent + _SHORT).long()
        pairs = zip(rows.tolist(), told.tolist(), turned.long().tolist(), strict=True)
        ids = torch.stack([self.layers.ids[row][short, side] for row, short, side in pairs]).long()
        return torch.where((chance < silent)[:, None], self.layers.empty, ids)

    def _images(self, rows: Tensor, *, vary: bool) -> list[Tensor]:
        features = torch.stack([self.layers.features[row].float() for row in rows.tolist()])
        if vary:
            gone = torch.rand(len(rows), 3, 1, 1) < _NO_IMAGE
            features = torch.where(gone, self.layers.nothing, features)
        return list(features[:, :, None].unbind(1))


def _weight_and_roles(labels: Tensor, mask: Tensor, product: Tensor) -> tuple[Tensor, Tensor]:
    """What an error weighs at each pixel [n, S, S], and where the adapters act [n, 3, S, S]."""
    face = torch.isin(labels, torch.tensor(FACE_IDS, dtype=torch.uint8)).float()
    new = torch.isin(labels, torch.tensor((p.PLINTH_ID, p.HAND_ID), dtype=torch.uint8)).float()
    weight = _KEPT_WEIGHT + mask * (1 + _NEW_WEIGHT * new + _FACE_WEIGHT * face + _PRODUCT_WEIGHT * product)
    face = face * (1 - product)
    return weight, torch.stack([face, product, 1 - face - product], 1)


def _figure(stored: Tensor, *, vary: bool) -> tuple[Tensor, Tensor]:
    """The person [n, 3, S, S] and its alpha [n, S, S], as a portrait gives them."""
    count, _, size, _ = stored.shape
    figure = stored[:, FIGURE].float() / 127.5 - 1
    outline = (stored[:, FIGURE_MASK].float() / 255)[:, None]
    end = stored[:, CUT, 0, 0].long()
    if vary:
        soft, begun = torch.rand(count) < _SOFT, torch.rand(count) < _BY_PRIOR
        figure[soft] = _softer(figure[soft])
        figure[begun] = _crisper(stored[begun, PRIOR].float() / 127.5 - 1)
        end = end + torch.randint(-_CUT_JITTER, _CUT_JITTER + 2, (count,))
        wider = torch.randint(0, _WIDER + 1, (count,))
        outline = torch.stack([grown(one, int(by)) for one, by in zip(outline, wider, strict=True)])
    outline = outline * (torch.arange(size)[:, None] < end.view(-1, 1, 1, 1))
    # As a matte: a pixel less all round, then about one pixel soft.
    outline = functional.avg_pool2d(-grown(-outline, 1), 3, 1, 1, count_include_pad=False)
    return figure, outline[:, 0]


def _crisper(pictures: Tensor) -> Tensor:
    """Sharpened, each by as much as a run might: its portraits are."""
    blurred = functional.avg_pool2d(pictures, 3, 1, 1, count_include_pad=False)
    blurred = functional.avg_pool2d(blurred, 3, 1, 1, count_include_pad=False)
    return (pictures + torch.rand(len(pictures), 1, 1, 1) * _CRISPEST * (pictures - blurred)).clamp(-1, 1)


def _softer(pictures: Tensor) -> Tensor:
    """As if drawn with fewer pixels."""
    size = pictures.shape[-1]
    fewer = round(size / (1 + float(torch.rand(())) * _SOFTEST))
    small = functional.interpolate(pictures, size=fewer, mode="bilinear", align_corners=False, antialias=True)
    return functional.interpolate(small, size=size, mode="bicubic", align_corners=False).clamp(-1, 1)


def _changed(whole: Tensor, ground: Tensor) -> Tensor:
    """Where the whole is another than the place, with a rim: person, hand, plinth, shadows. [n, S, S]."""
    differs = ((whole - ground).abs().amax(1) > 2 * _CHANGED).float()
    return grown(differs, 3)
