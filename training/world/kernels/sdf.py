"""Signed distances of simple solids and smooth ways to join them.

After Inigo Quilez, "distance functions" and "smooth minimum" (https://iquilezles.org/articles/distfunctions). All
solids are centred on the origin; distances are in the units of the arguments, negative inside.
"""

from __future__ import annotations

import math

from training.world.kernels.compile import kernel


@kernel
def mix(a: float, b: float, t: float) -> float:
    return a + (b - a) * t


@kernel
def ramp(low: float, high: float, x: float) -> float:
    """Smooth step from 0 at ``low`` to 1 at ``high`` (falling when ``low > high``)."""
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@kernel
def length3(x: float, y: float, z: float) -> float:
    return math.sqrt(x * x + y * y + z * z)


@kernel
def join(a: float, b: float, width: float) -> float:
    """Union with a fillet of ``width``."""
    h = max(width - abs(a - b), 0.0) / width
    return min(a, b) - h * h * width * 0.25


@kernel
def meet(a: float, b: float, width: float) -> float:
    """Intersection with a rounded edge of ``width``."""
    h = max(width - abs(a - b), 0.0) / width
    return max(a, b) + h * h * width * 0.25


@kernel
def ellipsoid(x: float, y: float, z: float, a: float, b: float, c: float) -> float:
    """Half axes ``a, b, c``; first-order distance."""
    x0 = x / a
    y0 = y / b
    z0 = z / c
    k0 = math.sqrt(x0 * x0 + y0 * y0 + z0 * z0)
    x0 /= a
    y0 /= b
    z0 /= c
    return k0 * (k0 - 1.0) / (math.sqrt(x0 * x0 + y0 * y0 + z0 * z0) + 1e-9)


@kernel
def cone(
    x: float, y: float, z: float, ax: float, ay: float, az: float, bx: float, by: float, bz: float, r0: float, r1: float
) -> float:
    """Capsule from a (radius ``r0``) to b (radius ``r1``)."""
    px = x - ax
    py = y - ay
    pz = z - az
    dx = bx - ax
    dy = by - ay
    dz = bz - az
    h = min(max((px * dx + py * dy + pz * dz) / (dx * dx + dy * dy + dz * dz), 0.0), 1.0)
    return length3(px - dx * h, py - dy * h, pz - dz * h) - (r0 + (r1 - r0) * h)


@kernel
def box(x: float, y: float, z: float, a: float, b: float, c: float, r: float) -> float:
    """Half edges ``a, b, c``, rounded by ``r``."""
    x = abs(x) - a + r
    y = abs(y) - b + r
    z = abs(z) - c + r
    return length3(max(x, 0.0), max(y, 0.0), max(z, 0.0)) + min(max(x, max(y, z)), 0.0) - r


@kernel
def cylinder(x: float, y: float, z: float, radius: float, half: float, r: float) -> float:
    """Around the y axis, half height ``half``, edge rounded by ``r``."""
    dx = math.sqrt(x * x + z * z) - radius + r
    dy = abs(y) - half + r
    mx = max(dx, 0.0)
    my = max(dy, 0.0)
    return min(max(dx, dy), 0.0) + math.sqrt(mx * mx + my * my) - r


@kernel
def ring(x: float, y: float, z: float, radius: float, thick: float) -> float:
    """Torus in the xy plane."""
    q = math.sqrt(x * x + y * y) - radius
    return math.sqrt(q * q + z * z) - thick
