"""What is doubtful about a packshot before anything is cut out of it.

Looked at small (at most :data:`EDGE` pixels) by plain comparison with the ground, and by the one rule for outlines
(:func:`brief.images.outline_of`). What is doubtful holds a product back until a person approves it: most of it is as
white as its ground, a shadow that was baked in, holes (which may be a label), a sticker upon it or beside it, several
pieces, an outline that cannot be believed. Where a matting model is at hand it is asked about these few: what it cuts
is what the person sees, and a shadow that it leaves out, or white that it tells from white just as the plain comparison
does, is said and holds nothing back. Whether what looks like a hole is one no model tells, nor whether a sticker
belongs there; but where a model that reads is at hand, an offer's words ("SALE", "-30%") make a sticker too. A packshot
whose ground is not plain is left to the stage that cuts it out, whose outline is judged too.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from brief.images import Outline, outline_of
from storage.importing.stickers import Words, sticker_doubts, sticker_words

Matte = Callable[[Image.Image], np.ndarray]
"""From an RGB image to the alpha [height, width], 0 to 1, of what it shows: what the pictures' cut-outs are made by."""

EDGE = 192
FAR, NEAR = 24, 5
"""Levels of 256 by which a pixel differs from the ground: surely, and at all."""
_PLAIN_SHARE = 0.9
_OPAQUE = 248
_CONTESTED, _MOSTLY_WHITE = 0.12, 0.5
_FLAT = 3.5
_HOLE = 0.02
_SOFT_STEP, _SOFT_SHARE = 60, 0.25
_AGREES = 0.93
"""Intersection over union from which two outlines are the same."""
_LEFT_OUT, _TAKEN = 0.1, 0.9
"""Mean alpha of what a matte leaves out and of what it takes."""
_GREY, _SHADE = 0.05, (0.2, 0.985)
"""A shadow is its ground times a number between these, the same in all channels but for so much."""
_ASKED = 1024
"""Longest edge of what a matting model is shown."""
_PREVIEW = 480


@dataclass(frozen=True, slots=True)
class PackshotModels:
    """What an import may ask about packshots; ``None`` where it is not at hand.

    Attributes:
        matte: of a doubtful packshot, what of it is the product.
        words: of every new packshot, whether an offer is written on it.
    """

    matte: Matte | None = None
    words: Words | None = None


_NO_MODELS = PackshotModels()


@dataclass(frozen=True, slots=True)
class PackshotCheck:
    """What a look at a packshot found, in words; ``cutout`` is a PNG for whoever approves it, if it is doubtful."""

    doubts: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    cutout: bytes | None = None


def check_packshot(packshot: Image.Image, models: PackshotModels = _NO_MODELS) -> PackshotCheck:
    """Look at a packshot (mode RGB or RGBA)."""
    small = packshot.copy()
    small.thumbnail((EDGE, EDGE), Image.Resampling.BOX)
    found: list[str] = []
    if packshot.mode == "RGBA":
        alpha = np.asarray(small.getchannel("A"))
        outline = outline_of(packshot.getchannel("A"))
        if outline.believable and alpha.min() <= _OPAQUE:
            product: np.ndarray = alpha > 127
            found += [*_of_outline(outline), *sticker_doubts(packshot, small, product, models.words)]
            return PackshotCheck(tuple(found), (), _preview(packshot, product) if found else None)
        if alpha.min() <= _OPAQUE:
            found.append("its transparency is no outline; deliver it without, or with the product's own")
        packshot = Image.alpha_composite(Image.new("RGBA", packshot.size, "white"), packshot).convert("RGB")
        small = packshot.resize(small.size, Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float32)
    ground = _plain_ground(pixels)
    if ground is None:
        found += sticker_words(packshot, models.words)
        return PackshotCheck(tuple(found), (), _preview(packshot, None) if found else None)
    by_colour = _ByColour(pixels, ground)
    doubts = [
        *by_colour.doubts(),
        *_of_outline(by_colour.outline),
        *sticker_doubts(packshot, small, by_colour.product, models.words),
    ]
    if not (found or doubts):
        return PackshotCheck()
    if models.matte is None:
        found += doubts
        return PackshotCheck(tuple(found), (), _preview(packshot, by_colour.product))
    asked = packshot.copy()
    asked.thumbnail((_ASKED, _ASKED), Image.Resampling.BOX)
    cut = models.matte(asked.convert("RGB")).astype(np.float32)
    seen = np.asarray(Image.fromarray(cut).resize(small.size, Image.Resampling.BOX))
    fixed = [each for each in doubts if by_colour.is_mended(each, seen)]
    found += [each for each in doubts if each not in fixed]
    remarks = tuple(f"{each}; the matte copes with it" for each in fixed)
    return PackshotCheck(tuple(found), remarks, _preview(packshot, cut) if found else None)


def _of_outline(outline: Outline) -> Iterator[str]:
    if outline.pieces > 1:
        yield f"it shows {outline.pieces} separate pieces: a sticker, or several things"
    elif outline.problem is not None:
        yield f"its outline cannot be believed: {outline.problem}"


def _plain_ground(pixels: np.ndarray) -> np.ndarray | None:
    """The colour of a plain ground, or ``None`` where the border has several."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    ground = np.median(border, axis=0)
    plain = (np.abs(border - ground).max(axis=1) <= FAR / 2).mean() >= _PLAIN_SHARE
    return ground if plain else None


class _ByColour:
    """A packshot before a plain ground, by how far its pixels [height, width, 3] differ from that."""

    def __init__(self, pixels: np.ndarray, ground: np.ndarray) -> None:
        self._differs: np.ndarray = np.abs(pixels - ground).max(axis=2)
        ratio = pixels / np.maximum(ground, 1)
        shade = (ratio.mean(axis=2) > _SHADE[0]) & (ratio.mean(axis=2) < _SHADE[1])
        self._shadowlike: np.ndarray = shade & (ratio.max(axis=2) - ratio.min(axis=2) < _GREY)
        self.product = ~_outside(self._differs <= FAR)
        self._likely = ~_outside(self._differs <= NEAR)

    @property
    def outline(self) -> Outline:
        return outline_of(Image.fromarray(self.product.astype(np.uint8) * 255))

    def doubts(self) -> list[str]:
        differs, product, likely = self._differs, self.product, self._likely
        contested = likely & ~product & (differs > NEAR)
        share = contested.sum() / max(1, likely.sum())
        flat = bool(contested.any()) and np.std(differs[contested]) < _FLAT
        if flat and share > _MOSTLY_WHITE:
            return [f"{_WHITE}: {share:.0%} of what may be the product is nearly the colour of its ground"]
        found = []
        if share > _CONTESTED:
            found.append(f"{_SHADOW}, or a product that fades into its ground ({share:.0%} of it)")
        elif _soft_share(differs, product) > _SOFT_SHARE:
            found.append(f"{_SHADOW}: part of its outline is soft")
        hole = (product & (differs <= NEAR)).sum() / max(1, product.sum())
        if hole > _HOLE:
            found.append(f"a hole, or a label: {hole:.0%} of it has the colour of its ground")
        return found

    def is_mended(self, doubt: str, cut: np.ndarray) -> bool:
        """Whether a matte [height, width] shows that it copes with what is doubtful."""
        if doubt.startswith(_WHITE):
            both, either = (cut > 0.5) & self._likely, (cut > 0.5) | self._likely
            return bool(both.sum() >= _AGREES * either.sum())
        if doubt.startswith(_SHADOW):
            shadow, rest = self._likely & self._shadowlike, self.product & ~self._shadowlike
            core = np.asarray(Image.fromarray(rest.astype(np.uint8) * 255).filter(ImageFilter.MinFilter(3))) > 0
            # Of a grey product nobody can tell which is which.
            known = core.sum() >= 0.5 * max(1, (cut > 0.5).sum())
            return bool(known and cut[shadow].mean() < _LEFT_OUT and cut[core].mean() > _TAKEN)
        return False


_WHITE, _SHADOW = "white on white", "a shadow that was baked in"


def _outside(ground: np.ndarray) -> np.ndarray:
    """Which pixels of ``ground`` touch the border through others."""
    framed = Image.fromarray(np.pad(ground, 1, constant_values=True).astype(np.uint8)).copy()
    ImageDraw.floodfill(framed, (0, 0), 2)
    outside: np.ndarray = np.asarray(framed)[1:-1, 1:-1] == 2
    return outside


def _soft_share(differs: np.ndarray, product: np.ndarray) -> float:
    """Share of the outline at which the picture rises slowly from the ground to the product."""
    inside = Image.fromarray(product.astype(np.uint8) * 255)
    rim = product & (np.asarray(inside.filter(ImageFilter.MinFilter(3))) == 0)
    if not rim.any():
        return 0.0
    strongest = Image.fromarray(np.clip(differs, 0, 255).astype(np.uint8)).filter(ImageFilter.MaxFilter(5))
    return float((np.asarray(strongest)[rim] < _SOFT_STEP).mean())


def _preview(packshot: Image.Image, product: np.ndarray | None) -> bytes:
    shown = packshot.convert("RGB")
    shown.thumbnail((_PREVIEW, _PREVIEW), Image.Resampling.LANCZOS)
    if product is not None:
        alpha = Image.fromarray((product * 255).astype(np.uint8))
        shown.putalpha(alpha.resize(shown.size, Image.Resampling.BICUBIC))
    data = io.BytesIO()
    shown.save(data, "PNG")
    return data.getvalue()
