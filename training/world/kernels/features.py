"""What sits on the skull: ears, nose, eyes, lids, brows, glasses, facial hair."""

from __future__ import annotations

import math

from training.world.kernels import params as p
from training.world.kernels.compile import kernel
from training.world.kernels.sdf import cone, ellipsoid, join, meet
from training.world.kernels.skull import skull

ROUND_GLASSES, SQUARE_GLASSES = 1, 2
NO_BEARD, MOUSTACHE, GOATEE, BEARD, FULL_BEARD = range(5)
FAR = 9.0


@kernel
def ears(x: float, y: float, z: float, pic: p.Params) -> float:
    size = pic[p.EAR]
    return ellipsoid(abs(x) - 0.90 * pic[p.HEAD_W], y + 0.03, z + 0.02, 0.13 * size, 0.22 * size, 0.15 * size)


@kernel
def nose(x: float, y: float, z: float, pic: p.Params) -> float:
    front = pic[p.NOSE_Z]
    wide = pic[p.NOSE_W]
    long = pic[p.NOSE_L]
    tip = ellipsoid(
        x, y + 0.13 + 0.1 * (pic[p.NOSE_DROP] - 1), z - front - 0.02, 0.125 * wide, 0.135 * long, 0.15 * long
    )
    low = -0.10 - 0.1 * (pic[p.NOSE_DROP] - 1)
    bridge = cone(x, y, z, 0.0, 0.20, front - 0.08, 0.0, low, front, 0.04, 0.075 * wide)
    return join(tip, bridge, 0.08)


@kernel
def eye_frame(x: float, y: float, pic: p.Params) -> tuple[float, float]:
    """Position within the eye: outward and up from its centre, turned by the eye's tilt."""
    ox = abs(x) - pic[p.EYE_X]
    oy = y - pic[p.EYE_Y]
    tilt = pic[p.EYE_TILT]
    return ox + oy * tilt, oy - ox * tilt


@kernel
def carve_face(d: float, x: float, y: float, z: float, pic: p.Params) -> float:
    """Skull distance with nose, eye sockets and lips worked in."""
    d = join(d, nose(x, y, z, pic), 0.10)
    ex, ey = eye_frame(x, y, pic)
    r = pic[p.EYE_R]
    socket = ellipsoid(ex, ey, z - pic[p.EYE_Z] - 0.30, r * 1.25, r * 1.1, 0.22)
    d = meet(d, -socket, 0.12)
    if pic[p.MOUTH] < 1.5:
        full = 0.055 + 0.35 * pic[p.LIP_T]
        lips = ellipsoid(x, y - pic[p.MOUTH_Y], z - pic[p.MOUTH_Z] + 0.035, pic[p.MOUTH_W] * 0.62, full, 0.075)
        d = join(d, lips, 0.08)
    return d


@kernel
def eyes(x: float, y: float, z: float, pic: p.Params) -> tuple[float, float]:
    """Distances to the eyeball and to the lids around it."""
    ex, ey = eye_frame(x, y, pic)
    r = pic[p.EYE_R]
    tall = r * pic[p.EYE_H]
    ez = z - (pic[p.EYE_Z] - r * 0.50)
    ball = ellipsoid(ex, ey, ez, r, tall, r)
    shell = ellipsoid(ex, ey, ez, r * 1.10, tall * 1.12, r * 1.10)
    upper = max(shell, pic[p.LID] * r - ey)
    lower = max(shell, ey + 0.66 * tall)
    return ball, min(upper, lower)


@kernel
def brows(x: float, y: float, z: float, pic: p.Params) -> float:
    ax = abs(x)
    ex = pic[p.EYE_X]
    high = pic[p.BROW_Y]
    tilt = pic[p.BROW_TILT]
    arch = pic[p.BROW_ARCH]
    thick = pic[p.BROW_T]
    z1 = pic[p.BROW_Z1]
    z2 = pic[p.BROW_Z2]
    z3 = pic[p.BROW_Z3]
    inner = cone(ax, y, z, ex - 0.19, high - tilt, z1, ex + 0.03, high + arch, z2, thick, thick)
    outer = cone(ax, y, z, ex + 0.03, high + arch, z2, ex + 0.24, high - 0.05 + tilt, z3, thick, thick * 0.5)
    return min(inner, outer)


@kernel
def glasses(x: float, y: float, z: float, pic: p.Params) -> float:
    kind = int(pic[p.GLASSES])
    if kind == 0:
        return FAR
    ax = abs(x)
    ex = pic[p.EYE_X]
    ey = pic[p.EYE_Y]
    r = pic[p.EYE_R]
    front = pic[p.GLASSES_Z]
    lx = ax - ex
    ly = y - ey + 0.02
    if kind == ROUND_GLASSES:
        edge = math.sqrt(lx * lx + ly * ly) - r * 1.38
    else:
        bx = abs(lx) - r
        by = abs(ly) - r * 0.72
        mx = max(bx, 0.0)
        my = max(by, 0.0)
        edge = math.sqrt(mx * mx + my * my) + min(max(bx, by), 0.0) - r * 0.36
    lz = z - front + 0.22 * lx
    rim = math.sqrt(edge * edge + lz * lz) - 0.038
    end = max(ex - r * 1.30, 0.03)
    bridge = cone(ax, y, z, 0.0, ey + 0.05, front + 0.03, end, ey + 0.02, front + 0.03, 0.030, 0.030)
    side = 0.95 * pic[p.HEAD_W]
    temple = cone(ax, y, z, ex + r * 1.25, ey, front - 0.10, side, ey + 0.03, -0.05, 0.028, 0.028)
    return min(rim, min(bridge, temple))


@kernel
def facial_hair(x: float, y: float, z: float, pic: p.Params) -> float:
    kind = int(pic[p.BEARD])
    if kind == NO_BEARD:
        return FAR
    ax = abs(x)
    my = pic[p.MOUTH_Y]
    front = pic[p.MOUTH_Z]
    d = FAR
    if kind != GOATEE:
        droop = my + 0.04 + 0.03 * pic[p.SMILE]
        d = cone(ax, y, z, 0.03, my + 0.135, front + 0.05, 0.27, droop, front - 0.06, 0.080, 0.03)
    if kind == MOUSTACHE:
        return d
    thick = 0.055 if kind < FULL_BEARD else 0.15
    b = skull(x, y, z, pic) - thick - 0.010 * math.sin(26 * ax + 9 * y)
    line = -0.50 + 0.10 * min(ax, 0.35) + 1.15 * max(ax - 0.48, 0.0) + 0.30 * max(0.55 - z, 0.0)
    b = meet(b, (y - min(line, 0.12)) * 0.75, 0.07)
    b = meet(b, -(z + 0.02), 0.07)
    if kind == GOATEE:
        b = meet(b, ax - 0.34, 0.1)
    gap = ellipsoid(x, y - my, z - front, pic[p.MOUTH_W] * 1.05, 0.135, 0.5)
    return min(d, meet(b, -gap, 0.06))
