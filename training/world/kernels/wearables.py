"""Products that are worn or carried: handbag, sneaker, watch, headphones, backpack. The base stands at y = -1."""

from __future__ import annotations

import math

from training.world.kernels import params as p
from training.world.kernels.compile import kernel
from training.world.kernels.sdf import box, cone, cylinder, ellipsoid, join, meet, ring


@kernel
def handbag(x: float, y: float, z: float) -> tuple[float, int]:
    narrow = 1.0 - 0.16 * (y + 0.4)
    d = box(x / narrow, y + 0.45, z / narrow, 0.74, 0.53, 0.30, 0.12) * 0.9
    flap = box(x / narrow, y + 0.22, z / narrow - 0.04, 0.72, 0.30, 0.31, 0.10) * 0.9
    flap = max(flap, -(y + 0.42 - 0.25 * x * x))
    handle = max(ring(x, (y - 0.08) * 0.84, z, 0.38, 0.062), -y)
    part = p.PRODUCT_FIRST
    if min(flap, handle) < d:
        d = min(flap, handle)
        part = p.PRODUCT_SECOND
    clasp = ellipsoid(x, y + 0.42, z - 0.33, 0.09, 0.09, 0.07)
    return (clasp, p.PRODUCT_TRIM) if clasp < d else (d, part)


@kernel
def sneaker(x: float, y: float, z: float) -> tuple[float, int]:
    sole = box(x, y + 0.87, z, 0.98, 0.14, 0.37, 0.12)
    sole = meet(sole, ellipsoid(x, y + 0.87, z, 1.06, 0.6, 0.40), 0.06)
    toe = ellipsoid(x - 0.40, y + 0.72, z, 0.58, 0.36, 0.34)
    heel = ellipsoid(x + 0.50, y + 0.50, z, 0.46, 0.56, 0.33)
    middle = cone(x, y, z, 0.45, -0.62, 0.0, -0.35, -0.28, 0.0, 0.27, 0.31)
    d = join(join(toe, heel, 0.22), middle, 0.2)
    d = meet(d, -ellipsoid(x + 0.52, y - 0.02, z, 0.32, 0.32, 0.22), 0.05)
    d = max(d, -(y + 0.92))
    trim = min(sole, max(ellipsoid(x - 0.40, y + 0.72, z, 0.60, 0.37, 0.36), 0.66 - x))
    for i in range(3):
        lx = 0.34 - 0.20 * i
        ly = -0.34 + 0.10 * i
        trim = min(trim, cone(x, y, z, lx, ly, -0.17, lx, ly, 0.17, 0.060, 0.060))
    return (trim, p.PRODUCT_SECOND) if trim < d else (d, p.PRODUCT_FIRST)


@kernel
def watch(x: float, y: float, z: float) -> tuple[float, int]:
    """The strap stands as a loop, the dial looks at the viewer."""
    loop = math.sqrt((y + 0.15) * (y + 0.15) * 0.55 + (z + 0.28) * (z + 0.28) * 1.6) - 0.62
    d = max(abs(loop * 0.8) - 0.055, abs(x) - 0.25 + 0.06 * abs(y + 0.15))
    part = p.PRODUCT_FIRST
    case = cylinder(x, z - 0.24, y + 0.15, 0.46, 0.13, 0.05)
    if case < d:
        d = case
        part = p.PRODUCT_SECOND
    crown = cylinder(y + 0.15, x - 0.48, z - 0.24, 0.07, 0.07, 0.02)
    return (crown, p.PRODUCT_TRIM) if crown < d else (d, part)


@kernel
def headphones(x: float, y: float, z: float) -> tuple[float, int]:
    q = math.sqrt(x * x + (y + 0.20) * (y + 0.20)) - 0.72
    d = max(math.sqrt(q * q + z * z * 0.55) - 0.085, -(y + 0.25))
    part = p.PRODUCT_SECOND
    ax = abs(x)
    cup = cylinder(z, ax - 0.70, y + 0.50, 0.40, 0.16, 0.08)
    if cup < d:
        d = cup
        part = p.PRODUCT_FIRST
    pad = cylinder(z, ax - 0.50, y + 0.50, 0.35, 0.12, 0.08)
    return (pad, p.PRODUCT_TRIM) if pad < d else (d, part)


@kernel
def backpack(x: float, y: float, z: float) -> tuple[float, int]:
    d = box(x, y + 0.22, z, 0.58, 0.78, 0.34, 0.28)
    part = p.PRODUCT_FIRST
    pocket = box(x, y + 0.58, z - 0.26, 0.42, 0.30, 0.22, 0.14)
    flap = max(box(x, y - 0.20, z, 0.60, 0.38, 0.37, 0.26), -(y + 0.02 - 0.18 * x * x))
    straps = cone(abs(x), y, z, 0.60, 0.05, -0.10, 0.66, -0.75, -0.02, 0.10, 0.08)
    second = min(min(pocket, flap), straps)
    if second < d:
        d = second
        part = p.PRODUCT_SECOND
    hook = ring(x, y - 0.62, z, 0.17, 0.05)
    buckle = box(x, y + 0.05, z - 0.36, 0.10, 0.08, 0.05, 0.03)
    trim = min(hook, buckle)
    return (trim, p.PRODUCT_TRIM) if trim < d else (d, part)
