"""The product, or the person of a portrait, without the background."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from cachetools import LRUCache, cached
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor
from torch.nn import functional

from brief.errors import GenerationError
from brief.images import Outline, outline_of
from generation.scene.layout import Box
from generation.scene.regions import grown, to_mask, to_shares
from generation.vision.models import MATTING_EDGE, shipped

_LARGEST = 2048
_WORKED_AT = 1024
"""Longest edge at which an outline is found; on larger images it is enlarged from there."""
_STEEPER = 2.0
_FINER = 1.5
"""Enlargement from which a portrait is drawn finer first."""
_GUIDED, _EVEN, _TINY = 2, 1e-3, 1e-3
"""The filter's reach in pixels of the net's, the variance of colours below which it sees no edge, and what is none."""
_NEAR, _SOME = 5, 1e-3
"""Pixels of the net's within which colours of an edge are looked for, and how much of a square must be inside."""
_REMEMBERED = 16
"""Cut images that are kept: the shots of a shard share their products and people."""
_SMALLEST_SHARE = 0.01
_TRACE = 8
FILLED = 0.8


class CutoutError(GenerationError, ValueError):
    """A packshot whose product cannot be told from its background; says whose, why and what to do."""


@dataclass(frozen=True, slots=True)
class Cutout:
    """A product without its background.

    Attributes:
        image: RGBA, cropped to its own box, at most 2048 pixels along an edge.
        outline: how far its shape can be believed.
    """

    image: Image.Image
    outline: Outline


def cut_out(packshot: Image.Image, what: str = "packshot") -> Cutout:
    """The product of a packshot.

    A packshot with transparency that has the shape of a thing is taken at its word. Any other is cut by U-2-Net-p
    (:mod:`generation.vision.models`), which tells a thing from its shadow, and white from white.

    Raises:
        CutoutError: nothing is left, or nothing was cut away.
    """
    if max(packshot.size) > _LARGEST:
        packshot = packshot.copy()
        packshot.thumbnail((_LARGEST, _LARGEST), Image.Resampling.LANCZOS)
    if packshot.mode != "RGBA":
        cut = _cut(packshot.convert("RGB"))
    elif outline_of(packshot.getchannel("A")).believable:
        cut = packshot
    else:
        flat = Image.alpha_composite(Image.new("RGBA", packshot.size, "white"), packshot)
        cut = _cut(flat.convert("RGB"))
    outline = outline_of(cut.getchannel("A"))
    if outline.area < _SMALLEST_SHARE:
        raise CutoutError(f"{what}: hardly anything is left once its background is gone; deliver it with transparency")
    if outline.area > 1 - _SMALLEST_SHARE:
        raise CutoutError(f"{what}: shows nothing but the product, or its background; deliver it with transparency")
    return Cutout(_cropped(cut), outline)


def on_white(cutout: Image.Image) -> Image.Image:
    """The cut-out in the middle of a white square with some air, RGB: how packshots look, and adapters expect."""
    edge = round(max(cutout.size) / FILLED)
    square = Image.new("RGB", (edge, edge), "white")
    square.paste(cutout, ((edge - cutout.width) // 2, (edge - cutout.height) // 2), cutout)
    return square


def matte(image: Image.Image) -> np.ndarray:
    """Alpha [height, width] of what an RGB image shows, float32 from 0 (background) to 1."""
    cut: np.ndarray = np.asarray(_cut(image).getchannel("A"), dtype=np.float32) / 255
    return cut


def _content(image: Image.Image) -> tuple[tuple[int, int], bytes]:
    return image.size, hashlib.sha256(image.tobytes()).digest()


# On the CPU, where half a second does once per image: the same on every machine.
@cached(LRUCache(_REMEMBERED), key=_content)
def _cut(image: Image.Image) -> Image.Image:
    """An RGB image as RGBA, without its background and without the background's colour in its edge."""
    small = image.copy()
    small.thumbnail((_WORKED_AT, _WORKED_AT), Image.Resampling.BOX)
    alpha = _refined(small, torch.from_numpy(shipped().matting.alpha(small)))
    cut = image.convert("RGBA")
    cut.paste(_colours_inside(small, alpha).resize(image.size), mask=to_mask(1 - alpha).resize(image.size))
    cut.putalpha(to_mask(alpha).resize(image.size, Image.Resampling.BICUBIC))
    return cut


def _refined(image: Image.Image, alpha: Tensor) -> Tensor:
    """The net's matte [height, width] with its edge where the image has one, by a guided filter (He et al., 2010).

    The net's edge is as soft as it is coarse; made steeper, half of what alpha is wrong by goes.
    """
    reach = _GUIDED * max(1, round(max(image.size) / MATTING_EDGE))
    colours = torch.from_numpy(np.asarray(image, dtype=np.float32)).permute(2, 0, 1) / 255
    mean, share = _mean(colours, reach), _mean(alpha[None], reach)
    along = _mean(colours * alpha, reach) - mean * share
    spread = torch.stack([_mean(colours * colour, reach) for colour in colours]) - mean[None] * mean[:, None]
    # Only near the edge is there anything to solve for.
    edge = (share[0] > _TINY) & (share[0] < 1 - _TINY)
    matrices = spread[:, :, edge].permute(2, 0, 1) + _EVEN * torch.eye(3)
    slope = torch.zeros_like(colours)
    slope[:, edge] = torch.linalg.solve(matrices, along[:, edge].T).T
    offset = share - (slope * mean).sum(0)
    guided = (_mean(slope, reach) * colours).sum(0) + _mean(offset, reach)[0]
    return ((guided - 0.5) * _STEEPER + 0.5).clamp(0, 1)


def _colours_inside(image: Image.Image, alpha: Tensor) -> Image.Image:
    """Where the thing is not fully there, its colours close by; elsewhere the image's own. RGB."""
    colours = torch.from_numpy(np.asarray(image, dtype=np.float32)).permute(2, 0, 1)
    inside, reach = (alpha >= 1).float(), _NEAR * max(1, round(max(image.size) / MATTING_EDGE))
    share = _mean(inside[None], reach)
    own = torch.where(share > _SOME, _mean(colours * inside, reach) / share.clamp(min=_SOME), colours)
    return Image.fromarray(own.round().clamp(0, 255).byte().permute(1, 2, 0).numpy())


def _mean(maps: Tensor, reach: int) -> Tensor:
    """Mean [c, h, w] over a square of ``reach`` pixels to each side."""
    across = functional.avg_pool2d(maps[None], (1, 2 * reach + 1), 1, (0, reach), count_include_pad=False)
    return functional.avg_pool2d(across, (2 * reach + 1, 1), 1, (reach, 0), count_include_pad=False)[0]


def _cropped(cut: Image.Image) -> Image.Image:
    alpha = np.asarray(cut.getchannel("A"))
    rows, columns = (np.flatnonzero((alpha > _TRACE).any(axis=axis)) for axis in (1, 0))
    return cut.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))


PORTRAIT_HEAD = Box(0.18, 0.12, 0.82, 0.84)
"""Where the head with its hair is in a portrait."""


_HALF = 0.5
_IN_HEAD, _BESIDE = 0.6, 0.4
"""A matte is a person's if so much of the middle of the head is inside, and no more of the upper border."""
_MIDDLE = Box(0.34, 0.3, 0.66, 0.66)


def figure_of(portrait: Image.Image) -> Image.Image:
    """The person of a portrait without the wall, RGBA, of the portrait's size.

    The net may take the head for the whole; before a plain wall, what has not the wall's colour belongs to the person
    too. A portrait in which nobody stands out gives its head alone.
    """
    figure = portrait.convert("RGB")
    cut = _cut(figure)
    if (wall := _plain_wall(figure)) is not None:
        cut = _before_wall(figure, cut.getchannel("A"), wall)
    alpha = np.asarray(cut.getchannel("A"))
    left, top, right, bottom = _MIDDLE.pixels(cut.size)
    if (alpha[top:bottom, left:right] > 127).mean() >= _IN_HEAD and (alpha[0] > 127).mean() <= _BESIDE:
        return cut
    figure.putalpha(_head_only(figure.size))
    return figure


_FILL_EDGE = 640
"""Longest edge at which a person is told from a wall."""
_DARKER, _LIGHTER = 24, 20
"""By how much a wall differs from what its border suggests, of 255: shadows make it darker, little makes it lighter."""
_SMOOTH_STEP, _SMOOTH_SHARE = 10, 0.9
_RIM = 4
"""Pixels of a person's edge that may have something of the wall in them, in a picture of the net's size or less."""
_APART, _OTHER = 20.0, 60.0
"""How far apart two colours are at least for a mixture of them to be told, and how far a third is from all of those."""


def _plain_wall(portrait: Image.Image) -> np.ndarray | None:
    """Colours [height, width, 3] of the wall behind a person, at most :data:`_FILL_EDGE` along an edge; ``None`` where
    what touches the upper border and the sides is not plain. The lower border is the person's, but for its corners."""
    pixels = _reduced(portrait)
    border = pixels.copy()
    border[-1] = np.linspace(pixels[-1, 0], pixels[-1, -1], pixels.shape[1], dtype=np.float32)
    return _expected_background(border) if _border_smoothness(border) >= _SMOOTH_SHARE else None


def _reduced(portrait: Image.Image) -> np.ndarray:
    small = portrait.copy()
    small.thumbnail((_FILL_EDGE, _FILL_EDGE), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)


def _before_wall(portrait: Image.Image, alpha: Image.Image, wall: np.ndarray) -> Image.Image:
    """A portrait as RGBA, the person being what the net found (``alpha``) and what has not the ``wall``'s colour.

    The colours of the wall and, further inside, of the person are known, so that each pixel of the edge tells how much
    of it is person (Smith & Blinn, 1996), and gets the person's colour: neither a rim of wall nor the light line that
    sharpening draws there comes along.
    """
    pixels = torch.from_numpy(_reduced(portrait)).permute(2, 0, 1)
    behind = torch.from_numpy(wall).permute(2, 0, 1)
    size = (pixels.shape[2], pixels.shape[1])
    net = to_shares(alpha.resize(size, Image.Resampling.BOX)) >= _HALF
    person = (net | ~_is_wall(pixels - behind)).float()
    rim = _RIM * max(1, round(max(size) / MATTING_EDGE))
    inside = -grown(-person, rim)
    share = _mean(inside[None], 2 * rim)
    near = torch.where(share > _SOME, _mean(pixels * inside, 2 * rim) / share.clamp(min=_SOME), pixels)
    apart = near - behind
    distance = apart.square().sum(0)
    part = ((pixels - behind) * apart).sum(0) / distance.clamp(min=1)
    other = (pixels - behind - part.clamp(0, 1) * apart).square().sum(0).sqrt() > _OTHER
    told = (share[0] > _SOME) & (distance > _APART**2) & ~other & (inside < 1)
    mixed = ((part - 0.5) * _STEEPER + 0.5).clamp(0, 1)
    soft = _mean(-grown(-person, rim // _RIM)[None], rim // _RIM)[0]
    found = torch.where(told, mixed, soft) * (grown(person, rim // 2) > 0)
    cut = portrait.convert("RGBA")
    colours = Image.fromarray(near.round().clamp(0, 255).byte().permute(1, 2, 0).numpy())
    cut.paste(colours.resize(cut.size), mask=to_mask(1 - found).resize(cut.size))
    cut.putalpha(to_mask(found).resize(cut.size, Image.Resampling.BICUBIC))
    return cut


def _is_wall(beyond: Tensor) -> Tensor:
    """Which pixels [height, width] are of the wall: those that are hardly beyond its colour, ``beyond`` [3, height,
    width] being by how much, and reach the upper border or a side that way."""
    alike = (beyond.amax(0) <= _LIGHTER) & (beyond.amin(0) >= -_DARKER)
    # A copy, since an image over an array's own memory cannot be filled.
    framed = Image.fromarray(np.pad(alike.numpy(), 1, constant_values=True).astype(np.uint8)).copy()
    framed.paste(0, (0, framed.height - 1, framed.width, framed.height))
    ImageDraw.floodfill(framed, (0, 0), 2)
    return torch.from_numpy(np.asarray(framed)[1:-1, 1:-1] == 2)


def _border_smoothness(pixels: np.ndarray) -> float:
    """Share of the border's neighbouring pixels that differ by no more than a soft shade does."""
    ring = np.concatenate([pixels[0], pixels[1:, -1], pixels[-1, -2::-1], pixels[-2:0:-1, 0]])
    return float((np.abs(np.diff(ring, axis=0)).max(axis=1) <= _SMOOTH_STEP).mean())


def _expected_background(pixels: np.ndarray) -> np.ndarray:
    """The background that the border suggests: a Coons patch over its four edges (Coons, 1967)."""
    height, width, _ = pixels.shape
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    rows = (1 - down) * pixels[:1] + down * pixels[-1:]
    columns = (1 - across) * pixels[:, :1] + across * pixels[:, -1:]
    corners = (1 - down) * ((1 - across) * pixels[0, 0] + across * pixels[0, -1])
    corners = corners + down * ((1 - across) * pixels[-1, 0] + across * pixels[-1, -1])
    patch: np.ndarray = rows + columns - corners
    return patch


@cached(LRUCache(_REMEMBERED), key=_content)
def _finer(portrait: Image.Image) -> Image.Image:
    """Half of it as the net sees it, which is crisp and somewhat of a drawing, half as it is."""
    drawn = shipped().upscaler.upscale(portrait)
    return Image.blend(drawn, portrait.resize(drawn.size, Image.Resampling.LANCZOS), 0.5)


def placed_person(portrait: Image.Image, face: Box, size: tuple[int, int], tilt: float = 0.0) -> Image.Image:
    """The portrait's person (RGB) by :func:`place_figure`; what would be much enlarged is drawn finer before."""
    if _scale(portrait, face, size) > _FINER:
        portrait = _finer(portrait)
    return place_figure(figure_of(portrait), face, size, tilt)


def _scale(portrait: Image.Image, face: Box, size: tuple[int, int]) -> float:
    return min(
        face.width * size[0] / (PORTRAIT_HEAD.width * portrait.width),
        face.height * size[1] / (PORTRAIT_HEAD.height * portrait.height),
    )


def place_figure(figure: Image.Image, face: Box, size: tuple[int, int], tilt: float = 0.0) -> Image.Image:
    """A transparent picture of ``size`` with the figure in it, the head in ``face``, its aspect kept.

    Args:
        figure: RGBA, from :func:`figure_of`.
        tilt: in degrees, to the left, about the neck.
    """
    scale = _scale(figure, face, size)
    width, height = round(scale * figure.width), round(scale * figure.height)
    middle, bottom = (face.left + face.right) / 2 * size[0], face.bottom * size[1]
    left = round(middle - (PORTRAIT_HEAD.left + PORTRAIT_HEAD.right) / 2 * width)
    layer = Image.new("RGBA", size)
    layer.paste(
        figure.resize((width, height), Image.Resampling.LANCZOS), (left, round(bottom - PORTRAIT_HEAD.bottom * height))
    )
    return layer.rotate(tilt, Image.Resampling.BICUBIC, center=(middle, bottom)) if tilt else layer


def _head_only(size: tuple[int, int]) -> Image.Image:
    oval = Image.new("L", size)
    ImageDraw.Draw(oval).ellipse(PORTRAIT_HEAD.pixels(size), fill=255)
    return oval.filter(ImageFilter.GaussianBlur(max(size) / 40))
