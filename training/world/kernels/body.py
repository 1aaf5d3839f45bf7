"""Shoulders, neck and four garments, and the arm that holds a product."""

from __future__ import annotations

import math

from training.world.kernels import params as p
from training.world.kernels.compile import kernel
from training.world.kernels.sdf import box, cone, ellipsoid, join

T_SHIRT, TURTLENECK, HOODIE, SHIRT = range(4)


@kernel
def _collar(x: float, y: float, z: float, d: float, top: int) -> float:
    """Torso distance ``d`` with the garment's collar joined on."""
    if top == T_SHIRT:
        c = math.sqrt(x * x + (z + 0.12) * (z + 0.12) * 1.2) - 0.42
        yy = y + 1.27 + 0.18 * (z + 0.12)
        return join(d, math.sqrt(c * c + yy * yy) - 0.06, 0.05)
    if top == TURTLENECK:
        c = cone(x, y, z, 0.0, -1.02, -0.14, 0.0, -1.45, -0.16, 0.40, 0.46)
        return join(d, max(c, y + 0.98 + 0.1 * z), 0.12)
    if top == HOODIE:
        c = math.sqrt(x * x * 0.8 + (z + 0.28) * (z + 0.28)) - 0.52
        yy = y + 1.20 + 0.35 * (z + 0.1)
        return join(d, math.sqrt(c * c + yy * yy) - 0.16, 0.10)
    ax = abs(x)
    cx = ax - 0.22
    cy = y + 1.25 + 0.10 * ax
    cz = z - 0.26 + 0.25 * ax
    ca = math.cos(0.7)
    sa = math.sin(0.7)
    wing = box(cx * ca + cy * sa, -cx * sa + cy * ca, cz, 0.11, 0.22, 0.05, 0.04)
    c2 = math.sqrt(x * x + (z + 0.14) * (z + 0.14)) - 0.42
    yy = y + 1.14 + 0.30 * (z + 0.12)
    band = max(math.sqrt(c2 * c2 * 2 + yy * yy * 0.6) - 0.09, z - 0.2)
    return min(d, min(wing, band))


@kernel
def body(x: float, y: float, z: float, pic: p.Params) -> tuple[float, int]:
    """Body-local distance and id: garment or neck."""
    wide = pic[p.SHOULDER]
    d = ellipsoid(x, y + 2.02, z + 0.12, 1.16 * wide, 0.78, 0.58)
    arm = cone(abs(x), y, z, wide, -1.82, -0.12, 1.18 * wide, -3.0, -0.05, 0.33, 0.34)
    d = _collar(x, y, z, join(d, arm, 0.22), int(pic[p.TOP]))
    neck = cone(x, y, z, 0.0, -0.55, -0.14, 0.0, -1.45, -0.16, 0.33, 0.37)
    return (neck, p.NECK) if neck < d else (d, p.TOP_ID)


@kernel
def holding_hand(x: float, y: float, z: float, side: float, pic: p.Params) -> tuple[float, int]:
    """Hand under the product and the arm to the shoulder; origin at the product's base, ``side`` 1 to the right."""
    hx = x * side
    d = ellipsoid(hx, y + 0.10, z - 0.02, 0.36, 0.15, 0.30)
    for i in range(3):
        fx = -0.20 + 0.19 * i
        d = join(d, cone(hx, y, z, fx, -0.08, 0.20, fx, 0.12, 0.34, 0.085, 0.085), 0.04)
    d = join(d, cone(hx, y, z, -0.30, -0.06, 0.05, -0.42, 0.26, 0.14, 0.085, 0.085), 0.06)
    d = join(d, cone(hx, y, z, 0.0, -0.12, -0.04, -0.18, -0.40, -0.18, 0.19, 0.19), 0.1)
    ex = -0.50
    ey = -0.56
    ez = -0.28
    lower = cone(hx, y, z, -0.17, -0.36, -0.16, ex, ey, ez, 0.235, 0.27)
    shoulder_x = side * (pic[p.PERSON_X] - pic[p.PRODUCT_X]) + 0.92 * pic[p.SHOULDER]
    base = pic[p.PRODUCT_Y] - pic[p.PRODUCT_SCALE]
    shoulder_y = pic[p.PERSON_Y] - 1.69 - base
    shoulder_z = pic[p.PERSON_Z] - pic[p.PRODUCT_Z] - 0.05
    sleeve = join(lower, cone(hx, y, z, ex, ey, ez, shoulder_x, shoulder_y, shoulder_z, 0.27, 0.34), 0.12)
    return (sleeve, p.TOP_ID) if sleeve < d else (d, p.HAND_ID)
