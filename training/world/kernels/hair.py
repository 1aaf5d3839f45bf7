"""Eight hair styles, each in three lengths and three textures; the forehead stays free unless there is a fringe."""

from __future__ import annotations

import math

from training.world.kernels import params as p
from training.world.kernels.compile import kernel
from training.world.kernels.sdf import box, cone, ellipsoid, join, length3, meet

NO_HAIR = 9.0
BALD, CROPPED, QUIFF, LOOSE, BOB, BUN, PONYTAIL, AFRO = range(8)


@kernel
def _cap(x: float, y: float, z: float, pic: p.Params) -> float:
    """Shell over the cranium, ended by a hairline that is high without a fringe and above the brows with one."""
    d = ellipsoid(x, y - 0.24, z + 0.10, 0.87 * pic[p.HEAD_W] + 0.085, 0.98, 0.97)
    if pic[p.FRINGE] > 0.5:
        line = 0.06 + 0.68 * z + 0.012 * math.sin(24.0 * x)
        cut = (line - y) * 0.80
    else:
        line = 0.04 + 1.28 * z + 0.16 * pic[p.PART] * x * max(z, 0.0)
        cut = (line - y) * 0.60
    return meet(d, cut, 0.06)


@kernel
def _afro(x: float, y: float, z: float, pic: p.Params) -> float:
    size = 0.90 + 0.10 * pic[p.LENGTH]
    wide = pic[p.HEAD_W]
    d = ellipsoid(x, y - 0.44, z + 0.22, (1.20 * wide + 0.05) * size, 1.12 * size, 1.10 * size)
    face = ellipsoid(x, y + 0.32, z - 1.10, 0.80 * wide, 0.94, 0.98)
    return meet(d, -face, 0.10)


@kernel
def _bob(x: float, y: float, z: float, pic: p.Params) -> float:
    ax = abs(x)
    wide = pic[p.HEAD_W]
    bottom = 0.42 + 0.20 * pic[p.LENGTH]
    mass = ellipsoid(x, y + 0.02, z + 0.26, 0.87 * wide + 0.24, 1.12, 0.94)
    mass = meet(mass, -(y + bottom), 0.16)
    curl = ellipsoid(ax - 0.92 * wide, y + bottom - 0.16, z + 0.16, 0.24, 0.30, 0.40)
    mass = join(mass, curl, 0.16)
    return meet(mass, z - 0.16, 0.10)


@kernel
def _loose(x: float, y: float, z: float, pic: p.Params) -> float:
    ax = abs(x)
    wide = pic[p.HEAD_W]
    bottom = -0.75 - 0.48 * pic[p.LENGTH]
    mass = ellipsoid(x, y + 0.02, z + 0.26, 0.87 * wide + 0.20, 1.10, 0.94)
    strand = cone(ax, y, z * 0.8, 0.84 * wide, 0.10, -0.20, 0.98 * wide, bottom, -0.06, 0.22, 0.21)
    half = 0.5 * (0.30 - bottom)
    back = box(x, y + half - 0.30, z + 0.60, 0.84 * wide, half, 0.26, 0.20)
    mass = join(mass, join(strand, back, 0.2), 0.2)
    return meet(mass, z - 0.18, 0.10)


@kernel
def _locks(x: float, y: float, z: float, pic: p.Params) -> float:
    """Two strands from the parting to the ears that frame the face without covering its outline."""
    wide = pic[p.HEAD_W]
    return cone(abs(x), y, z, 0.42 * wide, 0.80, 0.48, 0.93 * wide, 0.02, 0.12, 0.15, 0.11)


@kernel
def _ponytail(x: float, y: float, z: float, pic: p.Params) -> float:
    side = x * (1.0 if pic[p.PART] >= 0.0 else -1.0)
    drop = -0.25 - 0.45 * pic[p.LENGTH]
    root = cone(side, y, z, 0.30, 0.85, -0.80, 1.08, 0.62, -0.75, 0.20, 0.25)
    tail = cone(side, y, z, 1.08, 0.62, -0.75, 1.26, drop, -0.45, 0.28, 0.10)
    return join(root, tail, 0.12)


@kernel
def _styled(x: float, y: float, z: float, style: int, pic: p.Params) -> float:
    d = _cap(x, y, z, pic)
    if style == QUIFF:
        lift = 0.20 + 0.05 * pic[p.LENGTH]
        crest = ellipsoid(x - 0.16 * pic[p.PART], y - 1.00, z - 0.36, 0.60 * pic[p.HEAD_W], lift, 0.48)
        return join(d, crest, 0.20)
    if style == CROPPED:
        return d + (0.045 - 0.02 * float(pic[p.LENGTH]))
    if style == BUN:
        return join(d, length3(x, y - 1.24, z + 0.28) - (0.32 + 0.05 * pic[p.LENGTH]), 0.07)
    if style == PONYTAIL:
        return join(d, _ponytail(x, y, z, pic), 0.08)
    d = join(d, _locks(x, y, z, pic), 0.10)
    if style == BOB:
        return join(d, _bob(x, y, z, pic), 0.12)
    return join(d, _loose(x, y, z, pic), 0.12)


@kernel
def strands(x: float, y: float, z: float, pic: p.Params) -> float:
    """-1 to 1: the relief of the hair's texture at a place; shading darkens its valleys."""
    texture = int(pic[p.TEXTURE])
    around = math.atan2(x + 0.25 * pic[p.PART], z + 0.35)
    if texture == 2 or int(pic[p.HAIR]) == AFRO:
        return math.sin(15.0 * x + 1.0) * math.sin(15.0 * y) * math.sin(15.0 * z + 2.0)
    if texture == 1:
        return math.sin(around * 18.0 + 1.6 * math.sin(7.0 * y))
    return math.sin(around * 30.0 + 2.0 * y)


@kernel
def hair(x: float, y: float, z: float, pic: p.Params) -> float:
    """Distance to the hair, head-local."""
    style = int(pic[p.HAIR])
    if style == BALD:
        return NO_HAIR
    d = _afro(x, y, z, pic) if style == AFRO else _styled(x, y, z, style, pic)
    if d > 0.2:
        return d
    if style == AFRO or pic[p.TEXTURE] > 1.5:
        return (d + 0.032 * strands(x, y, z, pic)) * 0.85
    if pic[p.TEXTURE] > 0.5:
        return (d + 0.024 * strands(x, y, z, pic)) * 0.85
    return d + 0.007 * strands(x, y, z, pic)
