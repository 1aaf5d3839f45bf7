"""Products that hold something: bottle, mug, perfume, jar, teapot. Local space: the base stands at y = -1."""

from __future__ import annotations

import math

from training.world.kernels import params as p
from training.world.kernels.compile import kernel
from training.world.kernels.sdf import box, cone, cylinder, ellipsoid, join, meet, ring


@kernel
def bottle(x: float, y: float, z: float) -> tuple[float, int]:
    d = join(cylinder(x, y + 0.36, z, 0.36, 0.64, 0.10), cylinder(x, y - 0.42, z, 0.14, 0.25, 0.03), 0.28)
    lid = cylinder(x, y - 0.74, z, 0.19, 0.17, 0.04)
    return (lid, p.PRODUCT_SECOND) if lid < d else (d, p.PRODUCT_FIRST)


@kernel
def mug(x: float, y: float, z: float) -> tuple[float, int]:
    d = cylinder(x, y + 0.36, z, 0.52, 0.62, 0.06)
    d = meet(d, -cylinder(x, y - 0.2, z, 0.44, 0.80, 0.05), 0.03)
    handle = max(ring(x - 0.56, (y + 0.36) * 0.9, z, 0.30, 0.085), 0.40 - x)
    return (handle, p.PRODUCT_SECOND) if handle < d else (d, p.PRODUCT_FIRST)


@kernel
def perfume(x: float, y: float, z: float) -> tuple[float, int]:
    d = box(x, y + 0.48, z, 0.52, 0.52, 0.32, 0.10)
    part = p.PRODUCT_FIRST
    neck = cylinder(x, y - 0.10, z, 0.16, 0.12, 0.02)
    if neck < d:
        d = neck
        part = p.PRODUCT_TRIM
    lid = box(x, y - 0.42, z, 0.25, 0.24, 0.25, 0.06)
    return (lid, p.PRODUCT_SECOND) if lid < d else (d, part)


@kernel
def jar(x: float, y: float, z: float) -> tuple[float, int]:
    d = cylinder(x, y + 0.55, z, 0.62, 0.45, 0.16)
    lid = cylinder(x, y - 0.04, z, 0.58, 0.19, 0.06)
    return (lid, p.PRODUCT_SECOND) if lid < d else (d, p.PRODUCT_FIRST)


@kernel
def teapot(x: float, y: float, z: float) -> tuple[float, int]:
    d = ellipsoid(x, y + 0.42, z, 0.62, 0.55, 0.60)
    d = join(d, cylinder(x, y + 0.92, z, 0.36, 0.08, 0.04), 0.08)
    spout = cone(x, y, z, 0.50, -0.55, 0.0, 1.02, 0.02, 0.0, 0.17, 0.09)
    d = meet(join(d, spout, 0.16), y - 0.13 + 0.4 * math.sqrt(x * x + z * z) - 0.37, 0.03)
    part = p.PRODUCT_FIRST
    lid = join(ellipsoid(x, y - 0.08, z, 0.34, 0.14, 0.34), ellipsoid(x, y - 0.28, z, 0.11, 0.11, 0.11), 0.05)
    if lid < d:
        d = lid
        part = p.PRODUCT_SECOND
    handle = max(ring(x + 0.62, (y + 0.36) * 0.85, z, 0.34, 0.08), x + 0.48)
    return (handle, p.PRODUCT_SECOND) if handle < d else (d, part)
