"""Repeatable noise for surfaces and backdrops."""

from __future__ import annotations

import math

from training.world.kernels.compile import kernel


@kernel
def hash1(n: float) -> float:
    s = math.sin(n * 12.9898 + 4.1414) * 43758.5453
    return s - math.floor(s)


@kernel
def hash2(x: float, y: float) -> float:
    s = math.sin(x * 127.1 + y * 311.7) * 43758.5453
    return s - math.floor(s)


@kernel
def value_noise(x: float, y: float) -> float:
    """Smooth noise, 0 to 1, one random value per unit square's corner."""
    ix = math.floor(x)
    iy = math.floor(y)
    fx = x - ix
    fy = y - iy
    fx = fx * fx * (3 - 2 * fx)
    fy = fy * fy * (3 - 2 * fy)
    low = hash2(ix, iy) * (1 - fx) + hash2(ix + 1, iy) * fx
    high = hash2(ix, iy + 1) * (1 - fx) + hash2(ix + 1, iy + 1) * fx
    return low * (1 - fy) + high * fy


@kernel
def fraction(x: float) -> float:
    return x - math.floor(x)
