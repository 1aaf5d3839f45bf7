"""The floor of every place."""

from __future__ import annotations

import math

from training.world.kernels.compile import kernel
from training.world.kernels.noise import fraction, hash1, hash2, value_noise
from training.world.kernels.params import Color
from training.world.kernels.sdf import mix, ramp

(
    STUDIO, BEACH, KITCHEN, FOREST, CITY, DESERT, SNOW, NEON, LIBRARY, MEADOW, LOFT, NIGHT,
) = range(12)  # fmt: skip


@kernel
def _sand(x: float, z: float, s: float) -> Color:
    n = value_noise(x * 1.3 + s, z * 0.9) * 0.5 + value_noise(x * 5, z * 4 + s) * 0.5
    w = ramp(-6.0, -6.8, z + 0.5 * math.sin(x * 0.6 + s))
    return mix(0.80 + 0.10 * n, 0.10, w), mix(0.64 + 0.09 * n, 0.48 + 0.06 * n, w), mix(0.40 + 0.07 * n, 0.58, w)


@kernel
def _boards(x: float, z: float, s: float, r: float, g: float, b: float) -> Color:
    at = x * 0.9 + 0.5 + s
    board = math.floor(at)
    n = hash1(board) * 0.25 + 0.10 * value_noise(x * 8, z * 0.8 + board)
    k = 1.0 - 0.35 * ramp(0.46, 0.50, abs(at - board - 0.5))
    return (r + n * 0.5) * k, (g + n * 0.34) * k, (b + n * 0.2) * k


@kernel
def _grass(x: float, z: float, s: float, bright: float) -> Color:
    n = value_noise(x * 1.2 + s, z * 1.2) * 0.6 + value_noise(x * 5, z * 5 + s) * 0.4
    return (0.13 + 0.14 * n) * bright, (0.26 + 0.24 * n) * bright, (0.08 + 0.06 * n) * bright


@kernel
def _flowers(x: float, z: float, s: float) -> Color:
    r, g, b = _grass(x, z, s, 1.25)
    fx = x * 1.7 + s
    fz = z * 1.2
    cx = math.floor(fx)
    cz = math.floor(fz)
    pick = hash2(cx + 1.3, cz + 2.1)
    dx = fx - cx - 0.25 - 0.5 * hash2(cx, cz)
    dz = fz - cz - 0.25 - 0.5 * hash2(cz, cx)
    f = ramp(0.15, 0.09, math.sqrt(dx * dx + dz * dz)) * (1.0 if pick > 0.35 else 0.0)
    pink = 1.0 if pick > 0.68 else 0.0
    return mix(r, 0.95, f), mix(g, mix(0.80, 0.25, pink), f), mix(b, mix(0.15, 0.45, pink), f)


@kernel
def _grid(x: float, z: float, s: float) -> Color:
    gx = abs(fraction(x * 0.6 + s + 0.5) - 0.5)
    gz = abs(fraction(z * 0.6 + 0.5) - 0.5)
    line = max(ramp(0.05, 0.0, gx), ramp(0.05, 0.0, gz))
    n = value_noise(x * 0.5 + s, z * 0.3)
    return 0.07 + 0.22 * n + 0.20 * line, 0.05 + 0.03 * n + 0.06 * line, 0.12 + 0.20 * n + 0.30 * line


@kernel
def _carpet(x: float, z: float, s: float) -> Color:
    edge = abs(fraction(z * 0.35 + s) - 0.5)
    band = ramp(0.12, 0.10, edge)
    diamond = abs(fraction(x * 0.7 + s) - 0.5) + abs(fraction(z * 0.7) - 0.5)
    k = band * ramp(0.32, 0.28, diamond)
    return mix(0.36, 0.70, k), mix(0.07, 0.46, k), mix(0.07, 0.16, k)


@kernel
def floor_colour(x: float, z: float, place: int, s: float) -> Color:
    """Linear albedo of the floor; ``s`` is the place's seed, 0 to 3."""
    if place == STUDIO:
        return 0.86, 0.86, 0.87
    if place == BEACH:
        return _sand(x, z, s)
    if place == KITCHEN:
        return _boards(x, z, s, 0.50, 0.28, 0.13)
    if place == FOREST:
        return _grass(x, z, s, 1.0)
    if place == CITY:
        n = value_noise(x * 0.7 + s, z * 0.35)
        return 0.13 + 0.18 * n, 0.10 + 0.07 * n, 0.17 + 0.10 * n
    if place == DESERT:
        n = 0.5 + 0.5 * math.sin(z * 4.0 + 7.5 * value_noise(x * 0.7 + s, z * 0.5))
        return 0.78 + 0.10 * n, 0.42 + 0.09 * n, 0.20 + 0.05 * n
    if place == SNOW:
        n = value_noise(x * 0.6 + s, z * 0.6)
        return 0.76 + 0.14 * n, 0.83 + 0.10 * n, 0.93 + 0.05 * n
    if place == NEON:
        return _grid(x, z, s)
    if place == LIBRARY:
        return _carpet(x, z, s)
    if place == MEADOW:
        return _flowers(x, z, s)
    if place == LOFT:
        n = value_noise(x * 0.9 + s, z * 0.7) * 0.6 + value_noise(x * 4, z * 4) * 0.4
        return 0.42 + 0.12 * n, 0.41 + 0.12 * n, 0.40 + 0.12 * n
    n = value_noise(x * 0.8 + s, z * 0.5)
    return 0.07 + 0.05 * n, 0.10 + 0.07 * n, 0.17 + 0.10 * n
