"""What is doubtful about a packshot before anything is cut out of it.

Looked at small (at most :data:`EDGE` pixels), by plain comparison with the ground: no model. Doubts hold a product
back until a person approves: most of it is as white as its ground, several pieces (a sticker, a set), transparency that
is no outline. Remarks are said and hold nothing back, since a matting model mostly copes: a baked shadow, holes that
may be a label. Not found: a sticker upon the product itself. A packshot whose ground is not plain is left to the
stage that cuts it out, which refuses what it cannot cut.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

EDGE = 192
FAR, NEAR = 24, 5
"""Levels of 256 by which a pixel differs from the ground: surely, and at all."""
_PLAIN_SHARE = 0.9
_CLEAR, _OPAQUE = 8, 248
_LEAST_CLEAR = 0.005
_MOST_SOFT = 0.4
_CONTESTED, _MOSTLY_WHITE = 0.12, 0.5
_FLAT = 3.5
_HOLE = 0.02
_PIECE = 0.02
_MOST_PIECES = 12
_SOFT_STEP, _SOFT_SHARE = 60, 0.25
_PREVIEW = 480


@dataclass(frozen=True, slots=True)
class PackshotCheck:
    """What a look at a packshot found, in words; ``cutout`` is a PNG for whoever approves it, if it is doubtful."""

    doubts: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    cutout: bytes | None = None


def check_packshot(packshot: Image.Image) -> PackshotCheck:
    """Look at a packshot (mode RGB or RGBA)."""
    small = packshot.copy()
    small.thumbnail((EDGE, EDGE), Image.Resampling.BOX)
    found: list[str] = []
    if packshot.mode == "RGBA":
        alpha = np.asarray(small.getchannel("A"))
        if alpha.min() <= _OPAQUE:
            problem = _of_alpha(alpha)
            if problem is None:
                several = _several(alpha > 127)
                return PackshotCheck(several, (), _preview(packshot, alpha > 127) if several else None)
            found.append(problem)
        small = small.convert("RGB")
    pixels = np.asarray(small, dtype=np.float32)
    ground = _plain_ground(pixels)
    if ground is None:
        return PackshotCheck(tuple(found), (), _preview(packshot, None) if found else None)
    differs = np.abs(pixels - ground).max(axis=2)
    product = ~_outside(differs <= FAR)
    doubts, remarks = _by_colour(differs, product)
    found += [*doubts, *_several(product)]
    return PackshotCheck(tuple(found), tuple(remarks), _preview(packshot, product) if found else None)


def _of_alpha(alpha: np.ndarray) -> str | None:
    clear, opaque = float((alpha <= _CLEAR).mean()), float((alpha >= _OPAQUE).mean())
    if clear < _LEAST_CLEAR:
        return "its transparency is no outline: hardly anything of it is clear"
    soft = (1 - clear - opaque) / (1 - clear)
    if soft > _MOST_SOFT:
        return f"its transparency is no outline: {soft:.0%} of what it shows is half transparent"
    return None


def _plain_ground(pixels: np.ndarray) -> np.ndarray | None:
    """The colour of a plain ground, or ``None`` where the border has several."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    ground = np.median(border, axis=0)
    plain = (np.abs(border - ground).max(axis=1) <= FAR / 2).mean() >= _PLAIN_SHARE
    return ground if plain else None


def _by_colour(differs: np.ndarray, product: np.ndarray) -> tuple[list[str], list[str]]:
    """Doubts and remarks."""
    remarks = []
    likely = ~_outside(differs <= NEAR)
    contested = likely & ~product & (differs > NEAR)
    share = contested.sum() / max(1, likely.sum())
    flat = bool(contested.any()) and np.std(differs[contested]) < _FLAT
    if flat and share > _MOSTLY_WHITE:
        return [f"white on white: {share:.0%} of what may be the product is nearly the colour of its ground"], []
    if share > _CONTESTED:
        remarks.append(f"a soft shadow, or a product that fades into its ground ({share:.0%} of it)")
    elif _soft_share(differs, product) > _SOFT_SHARE:
        remarks.append("part of its outline is soft: a shadow that was baked in, perhaps")
    hole = (product & (differs <= NEAR)).sum() / max(1, product.sum())
    if hole > _HOLE:
        remarks.append(f"{hole:.0%} of it has the colour of its ground: a hole, or a label")
    return [], remarks


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


def _several(product: np.ndarray) -> tuple[str, ...]:
    left = Image.fromarray(product.astype(np.uint8)).copy()
    total, pieces = int(product.sum()), 0
    for _ in range(_MOST_PIECES):
        rows, columns = np.nonzero(np.asarray(left) == 1)
        if not len(rows):
            break
        ImageDraw.floodfill(left, (int(columns[0]), int(rows[0])), 2)
        filled = np.asarray(left) == 2
        pieces += bool(filled.sum() > _PIECE * total)
        left = Image.fromarray(np.where(filled, 0, np.asarray(left)).astype(np.uint8)).copy()
    return (f"it shows {pieces} separate pieces: a sticker, or several things",) if pieces > 1 else ()


def _preview(packshot: Image.Image, product: np.ndarray | None) -> bytes:
    shown = packshot.convert("RGB")
    shown.thumbnail((_PREVIEW, _PREVIEW), Image.Resampling.LANCZOS)
    if product is not None:
        alpha = Image.fromarray(product.astype(np.uint8) * 255)
        shown.putalpha(alpha.resize(shown.size, Image.Resampling.BICUBIC))
    data = io.BytesIO()
    shown.save(data, "PNG")
    return data.getvalue()
