"""Backdrops with walls: studio, kitchen, library, loft, neon gym. Conventions as in :mod:`outdoors`."""

from __future__ import annotations

import math

from training.world.kernels.compile import kernel
from training.world.kernels.noise import fraction, hash1, hash2, value_noise
from training.world.kernels.outdoors import blend
from training.world.kernels.params import Color
from training.world.kernels.sdf import mix, ramp


@kernel
def studio(u: float, v: float) -> Color:
    t = 0.93 - 0.16 * ramp(0.2, 1.5, math.sqrt(u * u * 0.7 + (v - 0.5) * (v - 0.5)))
    return t, t, t * 1.01


@kernel
def _item_colour(pick: float) -> Color:
    if pick < 0.3:
        return 0.85, 0.34, 0.22
    if pick < 0.5:
        return 0.92, 0.90, 0.84
    if pick < 0.7:
        return 0.20, 0.46, 0.44
    if pick < 0.85:
        return 0.93, 0.70, 0.24
    return 0.34, 0.50, 0.24


@kernel
def _brickwork(u: float, v: float, across: float, up: float) -> float:
    """1 in the joints between bricks or tiles."""
    ty = v * up
    row = math.floor(ty)
    tx = u * across + 0.5 * (row - 2 * math.floor(row * 0.5))
    return max(ramp(0.44, 0.50, abs(fraction(tx) - 0.5)), ramp(0.42, 0.50, abs(ty - row - 0.5)))


@kernel
def kitchen(u: float, v: float, s: float) -> Color:
    joint = _brickwork(u, v, 5.0, 5.0) * ramp(0.62, 0.58, v)
    r = 0.80 * (1 - 0.16 * joint)
    g = 0.70 * (1 - 0.16 * joint)
    b = 0.56 * (1 - 0.14 * joint)
    for k in range(2):
        sv = 0.64 + 0.56 * k
        dark = 1.0 - ramp(0.16, 0.0, sv - v) * (0.35 if v < sv else 0.0)
        at = u * 3.6 + s * 5 + k * 3.3
        cell = math.floor(at)
        fu = at - cell - 0.5
        tall = 0.14 + 0.22 * hash2(cell, k + s * 7)
        wide = 0.20 + 0.18 * hash2(cell + 7.0, k + 3.0 + s * 7)
        lv = v - sv - 0.03
        f = ramp(wide + 0.05, wide - 0.03, abs(fu)) * ramp(-0.01, 0.02, lv) * ramp(tall + 0.02, tall - 0.02, lv)
        cr, cg, cb = _item_colour(hash2(cell + 3.0, k + 11.0 + s * 3))
        side = 0.80 + 0.35 * (0.5 - fu)
        r, g, b = blend(r * dark, g * dark, b * dark, cr * side, cg * side, cb * side, f)
        r, g, b = blend(r, g, b, 0.46, 0.27, 0.14, ramp(0.035, 0.02, abs(v - sv)))
    return r, g, b


@kernel
def _book_colour(pick: float) -> Color:
    if pick < 0.22:
        return 0.55, 0.12, 0.12
    if pick < 0.42:
        return 0.12, 0.24, 0.42
    if pick < 0.60:
        return 0.10, 0.34, 0.22
    if pick < 0.78:
        return 0.78, 0.62, 0.32
    return 0.50, 0.32, 0.46


@kernel
def library(u: float, v: float, s: float) -> Color:
    row = math.floor(v / 0.46)
    up = v - row * 0.46
    at = u * 9.0 + s * 13 + row * 4.7
    cell = math.floor(at)
    fu = at - cell
    pick = hash2(cell + s * 3, row + 5.0)
    height = 0.26 + 0.12 * hash2(cell + 9.0, row + s)
    r, g, b = 0.16, 0.09, 0.05
    book = ramp(height + 0.01, height - 0.01, up) * ramp(0.0, 0.08, fu) * ramp(1.0, 0.92, fu)
    cr, cg, cb = _book_colour(pick)
    shade = 0.85 + 0.4 * fu * (1.0 - fu)
    stripe = ramp(0.025, 0.012, abs(up - height * 0.75)) * 0.7
    r, g, b = blend(r, g, b, mix(cr, 0.92, stripe) * shade, mix(cg, 0.80, stripe) * shade, cb * shade, book)
    board = max(ramp(0.05, 0.035, up), ramp(0.055, 0.04, abs(fraction(u * 0.9 + s) - 0.5) / 0.9))
    return blend(r, g, b, 0.44, 0.26, 0.13, board)


@kernel
def loft(u: float, v: float, s: float) -> Color:
    row = math.floor(v * 7.0)
    joint = _brickwork(u, v, 3.4, 7.0)
    cell = math.floor(u * 3.4 + 0.5 * (row - 2 * math.floor(row * 0.5)))
    n = 0.82 + 0.30 * hash2(cell + s * 5, row) + 0.08 * value_noise(u * 30, v * 30)
    r, g, b = blend(0.66 * n, 0.30 * n, 0.22 * n, 0.80, 0.72, 0.66, joint * 0.8)
    wu = u - (-0.62 + 1.24 * s)
    wv = v - 0.82
    frame = max(abs(wu) - 0.52, abs(wv) - 0.44)
    r, g, b = blend(r, g, b, 0.10, 0.10, 0.11, ramp(0.06, 0.04, frame))
    pane = ramp(0.0, -0.02, frame) * ramp(0.014, 0.026, abs(fraction(wu / 0.34 + 0.5) - 0.5) * 0.34)
    pane *= ramp(0.014, 0.026, abs(fraction(wv / 0.42 + 0.5) - 0.5) * 0.42)
    sky = ramp(-0.4, 0.5, wv)
    r, g, b = blend(r, g, b, mix(0.98, 0.62, sky), mix(0.94, 0.80, sky), mix(0.84, 0.94, sky), pane)
    return blend(r, g, b, 0.24, 0.20, 0.18, ramp(0.10, 0.08, v))


@kernel
def neon(u: float, v: float, s: float) -> Color:
    k = 1.0 - ramp(0.46, 0.50, abs(fraction(u * 2.2 + s) - 0.5)) * 0.5
    lean = 1.0 if s > 0.5 else -1.0
    d1 = abs(v - 1.08 - 0.25 * u * lean)
    d2 = abs(v - 0.52 + 0.20 * u * lean)
    cu = u + 0.55 - 1.1 * hash1(s * 9)
    d3 = abs(math.sqrt(cu * cu + (v - 0.85) * (v - 0.85)) - 0.42)
    g1 = math.exp(-d1 * 9) * 0.8 + ramp(0.045, 0.02, d1) * 1.2
    g2 = math.exp(-d2 * 9) * 0.8 + ramp(0.045, 0.02, d2) * 1.2
    g3 = math.exp(-d3 * 10) * 0.8 + ramp(0.04, 0.018, d3) * 1.2
    r = 0.10 * k + 0.95 * g1 + 0.05 * g2 + 0.45 * g3
    g = 0.06 * k + 0.12 * g1 + 0.80 * g2 + 0.22 * g3
    b = 0.17 * k + 0.62 * g1 + 0.85 * g2 + 0.95 * g3
    return min(r, 1.0), min(g, 1.0), min(b, 1.0)
