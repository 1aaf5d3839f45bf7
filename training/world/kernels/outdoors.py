"""Backdrops under the open sky by day: beach, forest, desert, snow, meadow.

``u`` and ``v`` are directions in the picture (about -1.3 to 1.3 across, horizon at v = 0); ``s`` is the place's seed,
0 to 1, which moves palms, trees, dunes and peaks. Colours are display values, 0 to 1.
"""

from __future__ import annotations

import math

from training.world.kernels.compile import kernel
from training.world.kernels.noise import fraction, hash1, hash2, value_noise
from training.world.kernels.params import Color
from training.world.kernels.sdf import mix, ramp


@kernel
def blend(r: float, g: float, b: float, r2: float, g2: float, b2: float, t: float) -> Color:
    return mix(r, r2, t), mix(g, g2, t), mix(b, b2, t)


@kernel
def _clouds(u: float, v: float, s: float) -> float:
    n = value_noise(u * 2.2 + s * 20, v * 5.0) * 0.6 + value_noise(u * 5 + s * 9, v * 10) * 0.4
    return ramp(0.55, 0.75, n) * ramp(0.15, 0.5, v) * 0.8


@kernel
def beach(u: float, v: float, s: float) -> Color:
    t = ramp(0.0, 1.3, v)
    r, g, b = blend(0.78, 0.90, 0.95, 0.20, 0.52, 0.88, t)
    r, g, b = blend(r, g, b, 1.0, 1.0, 1.0, _clouds(u, v, s))
    wave = 0.07 * math.sin(v * 90 + 3 * value_noise(u * 6 + s, v * 30))
    r, g, b = blend(r, g, b, 0.06 + wave, 0.42 + wave, 0.62 + wave, ramp(0.17, 0.15, v))
    pu = (0.95 if s > 0.5 else -0.95) + 0.1 * math.sin(s * 40)
    lean = -1.0 if pu > 0 else 1.0
    trunk = ramp(0.055, 0.03, abs(u - pu - lean * 0.10 * v * v)) * ramp(1.08, 1.04, v)
    tu = u - pu - lean * 0.11
    tv = v - 1.05
    leaves = ramp(0.10, 0.42, math.cos(math.atan2(tv + 0.5 * tu * tu, tu) * 5 + s * 6))
    leaves *= ramp(0.62, 0.5, math.sqrt(tu * tu + tv * tv))
    r, g, b = blend(r, g, b, 0.34, 0.22, 0.12, trunk)
    return blend(r, g, b, 0.08, 0.42, 0.16, leaves)


@kernel
def forest(u: float, v: float, s: float) -> Color:
    n = value_noise(u * 3 + s * 30, v * 3)
    t = ramp(0.0, 1.4, v)
    r = mix(0.42, 0.62, t) + 0.1 * n
    g = mix(0.58, 0.80, t) + 0.1 * n
    b = mix(0.34, 0.48, t) + 0.1 * n
    n = value_noise(u * 4.0 + s * 11, v * 4.0 + 7) * 0.6 + value_noise(u * 9 + s * 5, v * 9) * 0.4
    r, g, b = blend(r, g, b, 0.16, 0.36, 0.12, ramp(0.42, 0.62, n) * 0.75)
    for k in range(6):
        at = -1.5 + 0.6 * k + 0.5 * hash1(k + s * 17)
        w = 0.06 + 0.09 * hash1(k * 3 + s * 9)
        trunk = ramp(w + 0.03, w - 0.02, abs(u - at + 0.03 * math.sin(v * 3 + k)))
        side = 0.75 + 0.5 * ramp(w, -w, u - at)
        r, g, b = blend(r, g, b, 0.30 * side, 0.19 * side, 0.11 * side, trunk)
    n = value_noise(u * 5.0 + s * 3, v * 5.0 + 31)
    crown = ramp(0.5, 0.68, n + 0.25 * ramp(0.9, 1.5, v) - 0.3 * ramp(0.5, 0.2, v)) * 0.9
    r, g, b = blend(r, g, b, 0.22, 0.46, 0.14, crown)
    return blend(r, g, b, 0.12, 0.28, 0.08, ramp(0.28 + 0.10 * n, 0.12, v))


@kernel
def _cactus(u: float, v: float) -> float:
    """Coverage of a cactus whose stem stands at u = 0."""
    stem = max(abs(u) - 0.055, v - 0.92)
    right = max(abs(u - 0.13) - 0.035, max(v - 0.74, 0.48 - v))
    right_joint = max(abs(v - 0.52) - 0.035, max(u - 0.16, -u))
    left = max(abs(u + 0.13) - 0.035, max(v - 0.66, 0.40 - v))
    left_joint = max(abs(v - 0.44) - 0.035, max(-u - 0.16, u))
    return ramp(0.025, -0.01, min(stem, min(min(right, right_joint), min(left, left_joint))))


@kernel
def desert(u: float, v: float, s: float) -> Color:
    r, g, b = blend(0.99, 0.80, 0.58, 0.36, 0.62, 0.84, ramp(0.1, 1.3, v))
    su = u + 0.8 - 1.6 * s
    sun = ramp(0.20, 0.15, math.sqrt(su * su + (v - 1.05) * (v - 1.05)))
    r, g, b = blend(r, g, b, 1.0, 0.95, 0.70, sun)
    far = 0.45 + 0.16 * math.sin(u * 1.9 + s * 20) + 0.05 * math.sin(u * 4 + s * 9)
    r, g, b = blend(r, g, b, 0.86, 0.50, 0.30, ramp(far + 0.015, far - 0.015, v))
    near = 0.26 + 0.12 * math.sin(u * 2.7 + s * 33 + 2)
    r, g, b = blend(r, g, b, 0.72, 0.36, 0.17, ramp(near + 0.015, near - 0.015, v))
    return blend(r, g, b, 0.20, 0.42, 0.20, _cactus(u - (-0.95 if s > 0.5 else 0.95), v))


@kernel
def _fir(r: float, g: float, b: float, u: float, v: float, s: float) -> Color:
    at = u * 3.2 + s * 7
    cell = math.floor(at)
    if hash1(cell + s) <= 0.30:
        return r, g, b
    height = 0.42 + 0.28 * hash1(cell * 3 + s * 5)
    t = (height - v) / height
    step = fraction(t * 3)
    f = ramp(0.03, -0.03, abs(at - cell - 0.5) - (0.08 + 0.24 * t + 0.10 * step)) * ramp(0.0, 0.03, t)
    white = ramp(0.4, 0.0, step)
    return blend(r, g, b, 0.16 + 0.35 * white, 0.36 + 0.28 * white, 0.34 + 0.35 * white, f)


@kernel
def _flakes(u: float, v: float, s: float) -> float:
    fx = u * 5 + s * 3
    fy = v * 5
    i = math.floor(fx)
    j = math.floor(fy)
    dx = fx - i - 0.2 - 0.6 * hash2(i + 3, j + 1.7)
    dy = fy - j - 0.2 - 0.6 * hash2(j + 5, i + 9.3)
    return ramp(0.19, 0.07, math.sqrt(dx * dx + dy * dy)) * (0.9 if hash2(i + 1.1, j + 2.2) > 0.35 else 0.0)


@kernel
def snow(u: float, v: float, s: float) -> Color:
    r, g, b = blend(0.90, 0.94, 0.98, 0.52, 0.70, 0.90, ramp(0.0, 1.4, v))
    for k in range(3):
        at = -1.1 + 1.1 * k + 0.5 * (hash1(k + s * 7) - 0.5)
        h = 0.8 + 0.35 * hash1(k * 5 + s * 3)
        peak = ramp(-0.015, 0.02, h - abs(u - at) * 0.95 + 0.06 * math.sin(u * 13 + k * 2) - v)
        cap = ramp(0.20, 0.30, v - (h - 0.55) + 0.08 * math.sin(u * 17 + s * 9))
        side = 0.92 if u > at else 1.06
        r, g, b = blend(
            r, g, b, mix(0.45, 0.94, cap) * side, mix(0.54, 0.96, cap) * side, mix(0.68, 1.0, cap) * side, peak
        )
    r, g, b = _fir(r, g, b, u, v, s)
    r, g, b = blend(r, g, b, 0.92, 0.95, 1.0, ramp(0.12, 0.06, v))
    return blend(r, g, b, 1.0, 1.0, 1.0, _flakes(u, v, s))


@kernel
def meadow(u: float, v: float, s: float) -> Color:
    r, g, b = blend(0.86, 0.94, 0.98, 0.34, 0.62, 0.92, ramp(0.0, 1.3, v))
    r, g, b = blend(r, g, b, 1.0, 1.0, 1.0, _clouds(u + 3.0, v, s))
    far = 0.42 + 0.14 * math.sin(u * 1.5 + s * 17)
    r, g, b = blend(r, g, b, 0.48, 0.72, 0.38, ramp(far + 0.02, far - 0.02, v))
    near = 0.24 + 0.10 * math.sin(u * 2.2 + s * 29 + 1)
    r, g, b = blend(r, g, b, 0.36, 0.62, 0.24, ramp(near + 0.02, near - 0.02, v))
    at = u * 4.2 + s * 5
    cell = math.floor(at)
    fu = at - cell - 0.5 - 0.2 * (hash1(cell + s) - 0.5)
    height = 0.20 + 0.30 * hash1(cell * 7 + s * 3)
    stem = ramp(0.05, 0.02, abs(fu)) * ramp(height, height - 0.02, v)
    r, g, b = blend(r, g, b, 0.20, 0.44, 0.14, stem)
    q = math.sqrt(fu * fu + (v - height) * (v - height) * 17.0)
    pick = hash1(cell * 3 + s * 11)
    pr, pg, pb = (0.95, 0.28, 0.30) if pick < 0.4 else ((0.98, 0.80, 0.20) if pick < 0.7 else (0.70, 0.42, 0.88))
    petals = ramp(0.36 + 0.06 * math.cos(math.atan2((v - height) * 4.1, fu) * 5), 0.26, q)
    r, g, b = blend(r, g, b, pr, pg, pb, petals)
    return blend(r, g, b, 0.98, 0.90, 0.55, ramp(0.13, 0.09, q))
