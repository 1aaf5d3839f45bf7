"""The backdrop of every place, and the two that are lit by dusk and night. Conventions as in :mod:`outdoors`."""

from __future__ import annotations

import math

from training.world.kernels import floors as f
from training.world.kernels.compile import kernel
from training.world.kernels.indoors import kitchen, library, loft, neon, studio
from training.world.kernels.noise import fraction, hash1, hash2, value_noise
from training.world.kernels.outdoors import beach, blend, desert, forest, meadow, snow
from training.world.kernels.params import Color
from training.world.kernels.sdf import mix, ramp


@kernel
def city(u: float, v: float, s: float) -> Color:
    r, g, b = blend(0.98, 0.50, 0.36, 0.22, 0.15, 0.42, ramp(0.05, 1.4, v))
    for k in range(2):
        at = u * (2.6 + 1.4 * (1 - k)) + s * 13 + k * 5.3
        cell = math.floor(at)
        fu = at - cell
        h = (0.40 + 0.75 * hash2(cell, k + s * 5)) * (1.15 if k == 0 else 0.85)
        house = ramp(h + 0.015, h - 0.015, v) * ramp(0.0, 0.04, fu) * ramp(1.0, 0.96, fu)
        br, bg, bb = (0.40, 0.24, 0.36) if k == 0 else (0.16, 0.11, 0.24)
        wx = fu * 3.0
        wy = v * 9.0
        lit = hash2(math.floor(wx) + cell * 5, math.floor(wy) + s * 19) > 0.52
        window = ramp(0.40, 0.18, abs(fraction(wx) - 0.5)) * ramp(0.40, 0.16, abs(fraction(wy) - 0.5))
        window *= (0.40 if k == 0 else 0.95) if lit else 0.0
        br, bg, bb = blend(br, bg, bb, 1.0, 0.80, 0.38, window)
        r, g, b = blend(r, g, b, br, bg, bb, house)
    return r, g, b


@kernel
def night(u: float, v: float, s: float) -> Color:
    r, g, b = blend(0.16, 0.24, 0.42, 0.02, 0.04, 0.14, ramp(0.0, 1.3, v))
    band = value_noise(u * 2.0 + s * 9, v * 2.0 + u) * math.exp(-abs(v - 0.8 - 0.4 * u) * 3.0)
    r, g, b = blend(r, g, b, 0.34, 0.24, 0.52, band * 0.8)
    fx = u * 6 + s * 11
    fy = v * 6
    i = math.floor(fx)
    j = math.floor(fy)
    dx = fx - i - 0.2 - 0.6 * hash2(i + 3, j + 1.7)
    dy = fy - j - 0.2 - 0.6 * hash2(j + 5, i + 9.3)
    star = ramp(0.11, 0.03, math.sqrt(dx * dx + dy * dy)) * (1.0 if hash2(i, j + 0.4) > 0.35 else 0.0)
    r, g, b = blend(r, g, b, 1.0, 0.98, 0.90, star)
    mu = u + 0.85 - 1.7 * hash1(s * 7 + 1)
    mv = v - 1.08
    moon = ramp(0.21, 0.19, math.sqrt(mu * mu + mv * mv))
    moon *= 1.0 - ramp(0.20, 0.18, math.sqrt((mu - 0.09) * (mu - 0.09) + (mv - 0.04) * (mv - 0.04)))
    r, g, b = blend(r, g, b, 1.0, 0.96, 0.78, moon)
    hill = 0.26 + 0.10 * math.sin(u * 2.1 + s * 20) + 0.05 * math.sin(u * 5 + s * 4)
    k = mix(0.5, 1.0, ramp(0.0, 0.3, v))
    return blend(r, g, b, 0.05 * k, 0.09 * k, 0.17 * k, ramp(hill + 0.01, hill - 0.01, v))


@kernel
def backdrop(u: float, v: float, place: int, s: float) -> Color:
    """Display colour of the place in a direction."""
    if place < f.DESERT:
        if place == f.STUDIO:
            return studio(u, v)
        if place == f.BEACH:
            return beach(u, v, s)
        if place == f.KITCHEN:
            return kitchen(u, v, s)
        return forest(u, v, s) if place == f.FOREST else city(u, v, s)
    if place < f.LIBRARY:
        if place == f.DESERT:
            return desert(u, v, s)
        return snow(u, v, s) if place == f.SNOW else neon(u, v, s)
    if place == f.LIBRARY:
        return library(u, v, s)
    if place == f.MEADOW:
        return meadow(u, v, s)
    return loft(u, v, s) if place == f.LOFT else night(u, v, s)
