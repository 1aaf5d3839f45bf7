"""What every part is made of: colour, shine, and how softly it takes light."""

from __future__ import annotations

import math

from training.world.kernels import params as p
from training.world.kernels.body import SHIRT
from training.world.kernels.compile import kernel
from training.world.kernels.floors import CITY, NEON, floor_colour
from training.world.kernels.hair import strands
from training.world.kernels.outdoors import blend
from training.world.kernels.product import (
    BANDED,
    BOTTLE,
    CAMERA,
    HEADPHONES,
    JAR,
    LAMP,
    MATTE,
    METALLIC,
    MUG,
    PERFUME,
    WATCH,
    second_colour,
)
from training.world.kernels.sdf import ramp
from training.world.kernels.skin import hair_colour, paint_eye, paint_face, paint_lid
from training.world.kernels.space import to_head, to_product

Surface = tuple[float, float, float, float, float, float]
"""Linear albedo (3), strength of the highlight, its exponent, wrap of the diffuse light."""


@kernel
def _garment(x: float, y: float, z: float, pic: p.Params, rot: p.Rotations) -> p.Color:
    f = 0.0
    if pic[p.TOP_PATTERN] > 0.5:
        f = ramp(-0.15, 0.15, math.sin((y - pic[p.PERSON_Y]) * 22.0))
    elif int(pic[p.TOP]) == SHIRT and z > pic[p.PERSON_Z]:
        bx = rot[9] * (x - pic[p.PERSON_X]) + rot[10] * (z - pic[p.PERSON_Z])
        up = (y - pic[p.PERSON_Y]) * 4.0
        dy = (up - math.floor(up) - 0.5) / 4.0
        f = ramp(0.05, 0.035, math.sqrt(bx * bx + dy * dy))
    return blend(pic[p.TOP_R], pic[p.TOP_G], pic[p.TOP_B], pic[p.TOP2_R], pic[p.TOP2_G], pic[p.TOP2_B], f)


@kernel
def _first(x: float, y: float, z: float, kind: int, pic: p.Params) -> p.Color:
    if kind == MUG and math.sqrt(x * x + z * z) < 0.46:
        return 0.30, 0.17, 0.10
    f = second_colour(x, y, z, pic)
    if int(pic[p.PATTERN]) == BANDED and z > 0.0 and kind in (BOTTLE, MUG, PERFUME, JAR):
        f *= 1.0 - ramp(0.13, 0.10, math.sqrt(x * x + (y + 0.42) * (y + 0.42)))
    return blend(pic[p.FIRST_R], pic[p.FIRST_G], pic[p.FIRST_B], pic[p.SECOND_R], pic[p.SECOND_G], pic[p.SECOND_B], f)


@kernel
def _dial(r: float, g: float, b: float, x: float, y: float) -> p.Color:
    """White face of the watch with four marks and two hands."""
    y += 0.15
    q = math.sqrt(x * x + y * y)
    r, g, b = blend(r, g, b, 0.97, 0.97, 0.95, ramp(0.40, 0.36, q))
    mark = ramp(0.06, 0.03, abs(math.sin(math.atan2(x, y) * 2.0)) * q * 0.5) * ramp(0.27, 0.30, q)
    mark *= ramp(0.40, 0.37, q)
    hands = min(abs(x) + max(-y, 0.0) * 9, abs(y - 0.35 * x) + max(-x, 0.0) * 9 + max(x - 0.22, 0.0) * 9)
    return blend(r, g, b, 0.08, 0.08, 0.10, max(mark, ramp(0.045, 0.025, hands) * ramp(0.30, 0.26, q)))


@kernel
def _trim(kind: int) -> Surface:
    if kind == HEADPHONES:
        return 0.10, 0.10, 0.11, 0.2, 24.0, 0.15
    if kind == CAMERA:
        return 0.03, 0.04, 0.07, 0.9, 60.0, 0.05
    if kind == LAMP:
        return 1.0, 0.86, 0.50, 0.1, 10.0, 0.9
    return 0.85, 0.68, 0.30, 0.8, 36.0, 0.15


@kernel
def _goods(x: float, y: float, z: float, part: int, pic: p.Params, rot: p.Rotations) -> Surface:
    kind = int(pic[p.PRODUCT])
    if part == p.PRODUCT_TRIM:
        return _trim(kind)
    lx, ly, lz = to_product(x, y, z, pic, rot)
    if part == p.PRODUCT_FIRST:
        r, g, b = _first(lx, ly, lz, kind, pic)
    else:
        r, g, b = pic[p.SECOND_R], pic[p.SECOND_G], pic[p.SECOND_B]
        if kind == WATCH and lz > 0.30:
            r, g, b = _dial(r, g, b, lx, ly)
    material = int(pic[p.MATERIAL])
    if material == MATTE:
        return r, g, b, 0.03, 6.0, 0.25
    if material == METALLIC:
        return r, g, b, 1.1, 14.0, 0.0
    return r, g, b, 0.75, 60.0, 0.10


@kernel
def _face(x: float, y: float, z: float, part: int, pic: p.Params, rot: p.Rotations) -> Surface:
    hx, hy, hz = to_head(x, y, z, pic, rot)
    if part == p.EYE:
        r, g, b = paint_eye(hx, hy, pic)
        return r, g, b, 0.5, 60.0, 0.4
    if part == p.HAIR_ID:
        r, g, b = hair_colour(hx, hy, hz, strands(hx, hy, hz, pic), pic)
        return r, g, b, 0.30, 14.0, 0.15
    if part == p.LID_ID:
        r, g, b = paint_lid(hx, hy, pic)
    else:
        r, g, b = paint_face(pic[p.SKIN_R], pic[p.SKIN_G], pic[p.SKIN_B], hx, hy, hz, pic)
    return r, g, b, 0.22, 18.0, 0.30


@kernel
def surface(x: float, y: float, z: float, part: int, pic: p.Params, rot: p.Rotations) -> Surface:
    """The surface of a part at a world position."""
    if part in (p.SKIN, p.LID_ID, p.EYE, p.HAIR_ID):
        return _face(x, y, z, part, pic, rot)
    if part in (p.PRODUCT_FIRST, p.PRODUCT_SECOND, p.PRODUCT_TRIM):
        return _goods(x, y, z, part, pic, rot)
    if part == p.GROUND:
        place = int(pic[p.PLACE])
        r, g, b = floor_colour(x, z, place, pic[p.PLACE_SEED] * 3.0)
        return r, g, b, 0.15 if place in (CITY, NEON) else 0.0, 24.0, 0.15
    if part == p.TOP_ID:
        r, g, b = _garment(x, y, z, pic, rot)
        return r, g, b, 0.05, 8.0, 0.2
    if part == p.PLINTH_ID:
        return pic[p.PLINTH_R], pic[p.PLINTH_G], pic[p.PLINTH_B], 0.08, 24.0, 0.15
    if part == p.BEARD_ID:
        return pic[p.BEARD_R], pic[p.BEARD_G], pic[p.BEARD_B], 0.1, 24.0, 0.15
    if part == p.BROW:
        return pic[p.BROW_R], pic[p.BROW_G], pic[p.BROW_B], 0.1, 24.0, 0.15
    if part == p.GLASSES_ID:
        return pic[p.GLASSES_R], pic[p.GLASSES_G], pic[p.GLASSES_B], 0.8, 40.0, 0.15
    return pic[p.SKIN_R], pic[p.SKIN_G], pic[p.SKIN_B], 0.22, 18.0, 0.30
