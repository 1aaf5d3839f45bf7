"""Key light with soft shadow, fill from the other side, rim from behind, and light from the sky with occlusion."""

from __future__ import annotations

import math

from training.world.kernels import params as p
from training.world.kernels.compile import kernel
from training.world.kernels.product import METALLIC
from training.world.kernels.sdf import length3, mix, ramp
from training.world.kernels.skin import catch_light
from training.world.kernels.space import space, to_head
from training.world.kernels.surface import surface

SHADOW_STEPS = 26
SHADOW_REACH = 4.0
CEILING = 2.3
"""Nothing stands higher than this, so nothing above it casts a shadow."""
NORMAL_STEP = 0.006


@kernel
def _normal(x: float, y: float, z: float, pic: p.Params, rot: p.Rotations) -> p.Color:
    """Gradient of the field from four samples (tetrahedron technique, Quilez)."""
    e = NORMAL_STEP
    a = space(x + e, y - e, z - e, pic, rot)[0]
    b = space(x - e, y - e, z + e, pic, rot)[0]
    c = space(x - e, y + e, z - e, pic, rot)[0]
    d = space(x + e, y + e, z + e, pic, rot)[0]
    nx = a - b - c + d
    ny = -a - b + c + d
    nz = -a + b - c + d
    inverse = 1.0 / (length3(nx, ny, nz) + 1e-12)
    return nx * inverse, ny * inverse, nz * inverse


@kernel
def _shadow(x: float, y: float, z: float, lx: float, ly: float, lz: float, pic: p.Params, rot: p.Rotations) -> float:
    """1 in the light, 0 in full shadow, softer the farther the blocker."""
    t = 0.06
    lit = 1.0
    for _ in range(SHADOW_STEPS):
        h = space(x + lx * t, y + ly * t, z + lz * t, pic, rot)[0]
        lit = min(lit, 7.0 * h / t)
        if lit < 0.02:
            return 0.0
        t += min(max(h * 0.7, 0.04), 0.40)
        if t > SHADOW_REACH or y + ly * t > CEILING:
            break
    return lit * lit * (3 - 2 * lit)


@kernel
def _occlusion(x: float, y: float, z: float, nx: float, ny: float, nz: float, pic: p.Params, rot: p.Rotations) -> float:
    closed = 0.0
    weight = 1.0
    for i in range(4):
        h = 0.03 + 0.10 * i
        closed += (h - space(x + nx * h, y + ny * h, z + nz * h, pic, rot)[0]) * weight
        weight *= 0.68
    return min(max(1.0 - 1.35 * closed, 0.0), 1.0)


@kernel
def _reflection(x: float, y: float, z: float) -> float:
    """A studio softbox ring as metal would mirror it, from the direction of the reflection."""
    band = ramp(0.0, 0.25, y) * ramp(0.75, 0.45, y) + 0.5 * ramp(0.35, 0.6, abs(x)) * ramp(0.95, 0.75, abs(x))
    return 0.30 + 1.2 * band + 0.35 * ramp(0.2, -0.4, y) * ramp(-0.9, -0.4, y) + 0.1 * z


@kernel
def _key_direction(pic: p.Params) -> p.Color:
    flat = math.cos(pic[p.KEY_ELEVATION])
    return math.sin(pic[p.KEY_AZIMUTH]) * flat, math.sin(pic[p.KEY_ELEVATION]), math.cos(pic[p.KEY_AZIMUTH]) * flat


@kernel
def _is_metal(part: int, pic: p.Params) -> bool:
    return part in (p.PRODUCT_FIRST, p.PRODUCT_SECOND) and int(pic[p.MATERIAL]) == METALLIC


@kernel
def _is_skin(part: int) -> bool:
    return part in (p.SKIN, p.LID_ID, p.HAND_ID, p.NECK)


@kernel
def shade(
    x: float, y: float, z: float, rx: float, ry: float, rz: float, part: int, pic: p.Params, rot: p.Rotations
) -> p.Color:
    """Linear light that leaves the point towards a viewer who looks along (rx, ry, rz)."""
    nx, ny, nz = (0.0, 1.0, 0.0) if part == p.GROUND else _normal(x, y, z, pic, rot)
    r, g, b, gloss, exponent, wrap = surface(x, y, z, part, pic, rot)
    lx, ly, lz = _key_direction(pic)
    ndl = nx * lx + ny * ly + nz * lz
    diffuse = max((ndl + wrap) / (1 + wrap), 0.0)
    lit = 1.0
    if diffuse > 0.0:
        off = 0.02 + 0.055 * (1.0 - min(max(ndl, 0.0) * 2.0, 1.0))
        lit = _shadow(x + nx * off, y + ny * off, z + nz * off, lx, ly, lz, pic, rot)
    open_ = _occlusion(x, y, z, nx, ny, nz, pic, rot)
    facing = nx * rx + ny * ry + nz * rz
    rim = min(max(1.0 + facing, 0.0), 1.0)
    rim *= rim * rim * max(-nx * lx * 0.9 + ny * 0.3 + 0.35, 0.0) * open_
    red = diffuse * lit
    if _is_skin(part):  # light that went through skin comes out red
        soft = max((ndl + wrap + 0.12) / (1 + wrap + 0.12), 0.0)
        red = mix(diffuse, soft, 0.7) * mix(lit, math.sqrt(lit), 0.7)
    fill = max(-nx * lx * 0.8 + nz * 0.55 + 0.15, 0.0) * 0.9 * open_
    sky = (0.35 + 0.65 * (0.5 + 0.5 * ny)) * open_
    if _is_metal(part, pic):
        sky = mix(sky, _reflection(rx - 2 * facing * nx, ry - 2 * facing * ny, rz - 2 * facing * nz) * open_, 0.75)
        fill *= 0.5
    half = length3(lx - rx, ly - ry, lz - rz)
    ndh = max((nx * (lx - rx) + ny * (ly - ry) + nz * (lz - rz)) / half, 0.0)
    shine = gloss * math.pow(ndh, exponent) * lit * 1.3
    r = r * (pic[p.KEY_R] * red + pic[p.FILL_R] * fill + pic[p.AMBIENT_R] * sky) + shine * pic[p.KEY_R]
    g = g * (pic[p.KEY_G] * diffuse * lit + pic[p.FILL_G] * fill + pic[p.AMBIENT_G] * sky) + shine * pic[p.KEY_G]
    b = b * (pic[p.KEY_B] * diffuse * lit + pic[p.FILL_B] * fill + pic[p.AMBIENT_B] * sky) + shine * pic[p.KEY_B]
    r += rim * (pic[p.AMBIENT_R] * 0.9 + pic[p.FILL_R] * 0.6)
    g += rim * (pic[p.AMBIENT_G] * 0.9 + pic[p.FILL_G] * 0.6)
    b += rim * (pic[p.AMBIENT_B] * 0.9 + pic[p.FILL_B] * 0.6)
    if part == p.EYE:
        hx, hy, _ = to_head(x, y, z, pic, rot)
        f = catch_light(hx, hy, lx > 0, pic)
        return mix(r, 1.0, f), mix(g, 1.0, f), mix(b, 1.0, f)
    return r, g, b
