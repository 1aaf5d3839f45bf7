"""Everything that casts a shadow, in one distance field."""

from __future__ import annotations

import math

import numpy as np

from training.world.kernels import params as p
from training.world.kernels.body import body, holding_hand
from training.world.kernels.compile import kernel
from training.world.kernels.head import head
from training.world.kernels.product import product
from training.world.kernels.sdf import cylinder, length3

CLEAR = 0.6
"""Bounds stand in for what they hold only at this distance, where a soft shadow cannot tell the difference."""
NECK_PIVOT = 0.9
"""The head turns about a point this far below its origin."""


@kernel
def rotations(pic: p.Params) -> p.Rotations:
    """World to head (0 to 8, row major), body (9, 10) and product (11, 12)."""
    out = np.empty(13)
    cy = math.cos(pic[p.YAW])
    sy = math.sin(pic[p.YAW])
    cp = math.cos(pic[p.PITCH])
    sp = math.sin(pic[p.PITCH])
    ct = math.cos(pic[p.TILT])
    st = math.sin(pic[p.TILT])
    b10 = sp * sy
    b12 = sp * cy
    out[0] = ct * cy + st * b10
    out[1] = st * cp
    out[2] = -ct * sy + st * b12
    out[3] = -st * cy + ct * b10
    out[4] = ct * cp
    out[5] = st * sy + ct * b12
    out[6] = cp * sy
    out[7] = -sp
    out[8] = cp * cy
    out[9] = math.cos(pic[p.BODY_YAW])
    out[10] = -math.sin(pic[p.BODY_YAW])
    out[11] = math.cos(pic[p.PRODUCT_YAW])
    out[12] = -math.sin(pic[p.PRODUCT_YAW])
    return out


@kernel
def to_head(x: float, y: float, z: float, pic: p.Params, rot: p.Rotations) -> tuple[float, float, float]:
    x -= pic[p.PERSON_X]
    y += NECK_PIVOT - pic[p.PERSON_Y]
    z -= pic[p.PERSON_Z]
    return (
        rot[0] * x + rot[1] * y + rot[2] * z,
        rot[3] * x + rot[4] * y + rot[5] * z - NECK_PIVOT,
        rot[6] * x + rot[7] * y + rot[8] * z,
    )


@kernel
def to_product(x: float, y: float, z: float, pic: p.Params, rot: p.Rotations) -> tuple[float, float, float]:
    s = 1.0 / pic[p.PRODUCT_SCALE]
    x = (x - pic[p.PRODUCT_X]) * s
    z = (z - pic[p.PRODUCT_Z]) * s
    return rot[11] * x + rot[12] * z, (y - pic[p.PRODUCT_Y]) * s, -rot[12] * x + rot[11] * z


@kernel
def _person(x: float, y: float, z: float, d: float, part: int, pic: p.Params, rot: p.Rotations) -> tuple[float, int]:
    dx = x - pic[p.PERSON_X]
    dy = y - pic[p.PERSON_Y]
    dz = z - pic[p.PERSON_Z]
    bound = length3(dx, dy - 0.05, dz + 0.1) - 1.80
    if bound > CLEAR:
        if bound < d:
            d = bound
            part = p.HAIR_ID
    else:
        hx, hy, hz = to_head(x, y, z, pic, rot)
        near, nearest = head(hx, hy, hz, pic)
        if near < d:
            d = near
            part = nearest
    bound = length3(dx * 0.8, dy + 2.1, dz + 0.1) - 1.35
    if bound > CLEAR:
        return (bound, p.TOP_ID) if bound < d else (d, part)
    near, nearest = body(rot[9] * dx + rot[10] * dz, dy, -rot[10] * dx + rot[9] * dz, pic)
    return (near, nearest) if near < d else (d, part)


@kernel
def _plinth(x: float, y: float, z: float, pic: p.Params) -> float:
    s = pic[p.PRODUCT_SCALE]
    top = pic[p.PRODUCT_Y] - s
    half = 0.5 * (top - p.FLOOR) + 0.2
    x -= pic[p.PRODUCT_X]
    y += half - top
    z -= pic[p.PRODUCT_Z]
    return cylinder(x, y, z, pic[p.PLINTH_W], half, 0.05)


@kernel
def _goods(x: float, y: float, z: float, d: float, part: int, pic: p.Params, rot: p.Rotations) -> tuple[float, int]:
    s = pic[p.PRODUCT_SCALE]
    dx = x - pic[p.PRODUCT_X]
    dy = y - pic[p.PRODUCT_Y]
    dz = z - pic[p.PRODUCT_Z]
    bound = length3(dx, dy, dz) - 1.35 * s
    if bound > CLEAR:
        if bound < d:
            d = bound
            part = p.PRODUCT_FIRST
    else:
        qx, qy, qz = to_product(x, y, z, pic, rot)
        near, nearest = product(qx, qy, qz, int(pic[p.PRODUCT]))
        if near * s < d:
            d = near * s
            part = nearest
    if pic[p.PLINTH] > 0.5:
        near = _plinth(x, y, z, pic)
        if near < d:
            d = near
            part = p.PLINTH_ID
    if pic[p.HAND] > 0.5 and length3(dx, dy + s + 0.4, dz + 0.4) - 1.75 < d:
        side = 1.0 if pic[p.PRODUCT_X] > pic[p.PERSON_X] else -1.0
        near, nearest = holding_hand(dx, dy + s, dz, side, pic)
        if near < d:
            d = near
            part = nearest
    return d, part


@kernel
def space(x: float, y: float, z: float, pic: p.Params, rot: p.Rotations) -> tuple[float, int]:
    """World distance to the nearest thing, and its id."""
    d = y - p.FLOOR if pic[p.ISOLATED] < 0.5 else 50.0
    part = p.GROUND
    if pic[p.PERSON] > 0.5:
        d, part = _person(x, y, z, d, part, pic, rot)
    if pic[p.PRODUCT] > -0.5:
        d, part = _goods(x, y, z, d, part, pic, rot)
    return d, part
