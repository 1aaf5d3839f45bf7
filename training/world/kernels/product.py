"""Which product is asked for, and its patterns."""

from __future__ import annotations

import math

from training.world.kernels import params as p
from training.world.kernels.compile import kernel
from training.world.kernels.gadgets import camera, lamp
from training.world.kernels.sdf import ramp
from training.world.kernels.vessels import bottle, jar, mug, perfume, teapot
from training.world.kernels.wearables import backpack, handbag, headphones, sneaker, watch

BOTTLE, MUG, HANDBAG, SNEAKER, WATCH, PERFUME, JAR, HEADPHONES, LAMP, TEAPOT, BACKPACK, CAMERA = range(12)
PLAIN, STRIPED, DOTTED, BANDED, TWO_TONE = range(5)
MATTE, GLOSSY, METALLIC = range(3)


@kernel
def product(x: float, y: float, z: float, kind: int) -> tuple[float, int]:
    """Product-local distance and id of the part."""
    if kind < JAR:
        if kind == BOTTLE:
            return bottle(x, y, z)
        if kind == MUG:
            return mug(x, y, z)
        if kind == HANDBAG:
            return handbag(x, y, z)
        if kind == SNEAKER:
            return sneaker(x, y, z)
        return watch(x, y, z) if kind == WATCH else perfume(x, y, z)
    if kind == JAR:
        return jar(x, y, z)
    if kind == HEADPHONES:
        return headphones(x, y, z)
    if kind == LAMP:
        return lamp(x, y, z)
    if kind == TEAPOT:
        return teapot(x, y, z)
    return backpack(x, y, z) if kind == BACKPACK else camera(x, y, z)


@kernel
def _dots(x: float, y: float, z: float, kind: int) -> float:
    across = x
    if kind in (BOTTLE, MUG, JAR, TEAPOT, LAMP):
        across = math.atan2(x, z) * 0.5
    fx = across * 5.0
    fy = y * 5.0
    row = math.floor(fy)
    fx += 0.5 * (row - 2 * math.floor(row * 0.5))
    qx = fx - math.floor(fx) - 0.5
    qy = fy - row - 0.5
    return ramp(0.36, 0.24, math.sqrt(qx * qx + qy * qy))


@kernel
def _middle(kind: int) -> float:
    """Height of the label band and of the two-tone edge."""
    if kind == LAMP:
        return 0.28
    if kind == SNEAKER:
        return -0.58
    if kind == WATCH:
        return -0.62
    return -0.42


@kernel
def second_colour(x: float, y: float, z: float, pic: p.Params) -> float:
    """1 where the pattern shows the second colour, 0 where the first; product-local."""
    pattern = int(pic[p.PATTERN])
    kind = int(pic[p.PRODUCT])
    if pattern == PLAIN:
        return 0.0
    if pattern == STRIPED:
        slanted = kind in (SNEAKER, HEADPHONES)
        return ramp(-0.25, 0.25, math.sin((x + 0.35 * y) * 15.0) if slanted else math.sin(y * 17.0))
    if pattern == DOTTED:
        return _dots(x, y, z, kind)
    middle = _middle(kind)
    if pattern == BANDED:
        half = 0.26 if kind != SNEAKER else 0.14
        return ramp(half, half - 0.04, abs(y - middle))
    return ramp(middle + 0.01, middle - 0.05, y)
