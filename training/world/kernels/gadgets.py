"""Products for the home and the trip: lamp, camera. The base stands at y = -1."""

from __future__ import annotations

import math

from training.world.kernels import params as p
from training.world.kernels.compile import kernel
from training.world.kernels.sdf import box, cylinder, meet


@kernel
def lamp(x: float, y: float, z: float) -> tuple[float, int]:
    r = math.sqrt(x * x + z * z)
    shade = meet(abs(r - 0.58 + 0.42 * (y - 0.32)) * 0.9 - 0.035, abs(y - 0.32) - 0.44, 0.03)
    d = shade
    part = p.PRODUCT_FIRST
    stand = min(cylinder(x, y + 0.92, z, 0.44, 0.08, 0.05), cylinder(x, y + 0.40, z, 0.075, 0.55, 0.02))
    if stand < d:
        d = stand
        part = p.PRODUCT_SECOND
    bulb = cylinder(x, y - 0.28, z, 0.17, 0.20, 0.16)
    return (bulb, p.PRODUCT_TRIM) if bulb < d else (d, part)


@kernel
def camera(x: float, y: float, z: float) -> tuple[float, int]:
    d = box(x, y + 0.46, z, 0.80, 0.54, 0.30, 0.12)
    part = p.PRODUCT_FIRST
    lens = min(cylinder(x, z - 0.40, y + 0.48, 0.42, 0.20, 0.05), box(x, y - 0.16, z, 0.30, 0.14, 0.24, 0.06))
    if lens < d:
        d = lens
        part = p.PRODUCT_SECOND
    glass = cylinder(x, z - 0.56, y + 0.48, 0.26, 0.07, 0.04)
    button = cylinder(x + 0.52, y - 0.14, z, 0.12, 0.08, 0.03)
    trim = min(glass, button)
    return (trim, p.PRODUCT_TRIM) if trim < d else (d, part)
