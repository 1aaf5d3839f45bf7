"""One camera for every picture: rays, sphere tracing, antialiasing, and the batch loop."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import prange

from training.world.kernels import params as p
from training.world.kernels.backdrops import backdrop
from training.world.kernels.compile import kernel, parallel_kernel
from training.world.kernels.floors import STUDIO
from training.world.kernels.light import shade
from training.world.kernels.sdf import length3, mix, ramp
from training.world.kernels.space import rotations, space

DISTANCE = 9.0
ELEVATION = 0.10
MARCH_STEPS = 72
HIT = 0.0018
HORIZON = 16.0
MISS = 1e9
SKY_SCALE = 4.6
CONTRAST = 0.16
"""Summed colour difference between neighbours from which a pixel is sampled four more times."""


@kernel
def _tone(v: float) -> float:
    """Linear light to display value: a soft shoulder, then the usual gamma of 2.2."""
    v = max(v, 0.0)
    return min(math.pow(v * (1.0 + v * 0.12) / (1.0 + 0.32 * v), 0.4545), 1.0)


@kernel
def _enter(nearest: float, ox: float, oy: float, oz: float, rx: float, ry: float, rz: float, radius: float) -> float:
    """Smaller of ``nearest`` and where the ray enters a sphere at (ox, oy, oz) from the eye."""
    b = ox * rx + oy * ry + oz * rz
    q = b * b - (ox * ox + oy * oy + oz * oz - radius * radius)
    return min(nearest, b - math.sqrt(q)) if q > 0 else nearest


@kernel
def _start(ox: float, oy: float, oz: float, rx: float, ry: float, rz: float, pic: p.Params) -> float:
    """Where the ray first comes near anything solid, ``MISS`` if it never does."""
    t = MISS
    if pic[p.PERSON] > 0.5:
        x = pic[p.PERSON_X] - ox
        y = pic[p.PERSON_Y] - oy
        z = pic[p.PERSON_Z] - 0.1 - oz
        t = _enter(t, x, y + 0.05, z, rx, ry, rz, 1.82)
        t = _enter(t, x, y - 2.1, z, rx, ry, rz, 1.75)
    if pic[p.PRODUCT] > -0.5:
        s = pic[p.PRODUCT_SCALE]
        x = pic[p.PRODUCT_X] - ox
        y = pic[p.PRODUCT_Y] - oy
        z = pic[p.PRODUCT_Z] - oz
        t = _enter(t, x, y, z, rx, ry, rz, 1.4 * s)
        if pic[p.PLINTH] > 0.5 or pic[p.HAND] > 0.5:
            t = _enter(t, x, y - s - 0.55, z, rx, ry, rz, 1.45 * max(1.0, s))
    return t


@kernel
def _march(
    ox: float, oy: float, oz: float, rx: float, ry: float, rz: float, far: float, pic: p.Params, rot: p.Rotations
) -> tuple[float, int]:
    """Distance along the ray and part that it hits; ``BACKDROP`` if only the floor or nothing."""
    t = _start(ox, oy, oz, rx, ry, rz, pic)
    if t == MISS:
        return t, p.BACKDROP
    t = max(t, 0.0)
    far = min(far, 14.0)
    for _ in range(MARCH_STEPS):
        d, part = space(ox + rx * t, oy + ry * t, oz + rz * t, pic, rot)
        if d < HIT:
            return t, p.BACKDROP if part == p.GROUND else part
        t += d * 0.93
        if t > far:
            break
    return t, p.BACKDROP


@kernel
def _fade(r: float, g: float, b: float, t: float, rx: float, ry: float, rz: float, pic: p.Params) -> p.Color:
    """Floor colour with the horizon's haze."""
    place = int(pic[p.PLACE])
    high = 0.02
    f = ramp(9.0, HORIZON + 5.0, t)
    if place == STUDIO:
        f = ramp(6.0, 17.0, t)
        high = (ry / -rz + 0.168) * SKY_SCALE
    r2, g2, b2 = backdrop(rx / -rz * SKY_SCALE, high, place, pic[p.PLACE_SEED])
    return mix(r, r2, f), mix(g, g2, f), mix(b, b2, f)


@kernel
def sample(u: float, v: float, pic: p.Params, rot: p.Rotations) -> tuple[float, float, float, int]:
    """Display colour and id at a place in the picture; u right and v up, both -1 to 1."""
    half = pic[p.CAMERA_HALF] / DISTANCE
    ox = pic[p.CAMERA_X]
    oy = pic[p.CAMERA_Y] + DISTANCE * math.sin(ELEVATION)
    oz = DISTANCE * math.cos(ELEVATION)
    rx = u * half
    ry = v * half * math.cos(ELEVATION) - math.sin(ELEVATION)
    rz = -math.cos(ELEVATION) - v * half * math.sin(ELEVATION)
    inverse = 1.0 / length3(rx, ry, rz)
    rx *= inverse
    ry *= inverse
    rz *= inverse
    floor_at = (p.FLOOR - oy) / ry if ry < -1e-4 and pic[p.ISOLATED] < 0.5 else MISS
    t, part = _march(ox, oy, oz, rx, ry, rz, floor_at, pic, rot)
    if part == p.BACKDROP:
        if pic[p.ISOLATED] > 0.5:
            return 1.0, 1.0, 1.0, part
        if floor_at > HORIZON + 6.0:
            su = rx / -rz * SKY_SCALE
            r, g, b = backdrop(su, (ry / -rz + 0.168) * SKY_SCALE, int(pic[p.PLACE]), pic[p.PLACE_SEED])
            return r, g, b, part
        part = p.GROUND
        t = floor_at
    r, g, b = shade(ox + rx * t, oy + ry * t, oz + rz * t, rx, ry, rz, part, pic, rot)
    r, g, b = _tone(r), _tone(g), _tone(b)
    if part == p.GROUND:
        r, g, b = _fade(r, g, b, t, rx, ry, rz, pic)
    return r, g, b, part


@kernel
def _is_edge(buffer: npt.NDArray[np.float64], ids: npt.NDArray[np.uint8], j: int, i: int) -> bool:
    size = ids.shape[0]
    for q in range(4):
        jj = j + (1 if q == 0 else (-1 if q == 1 else 0))
        ii = i + (1 if q == 2 else (-1 if q == 3 else 0))
        if jj < 0 or ii < 0 or jj >= size or ii >= size or (ids[j, i] <= 1 and ids[jj, ii] <= 1):
            continue
        step = 0.0
        for c in range(3):
            step += abs(buffer[j, i, c] - buffer[jj, ii, c])
        if step > CONTRAST:
            return True
    return False


@kernel
def _byte(v: float) -> int:
    return int(min(max(v, 0.0), 1.0) * 255 + 0.5)


@kernel
def _draw(pic: p.Params, image: npt.NDArray[np.uint8], ids: npt.NDArray[np.uint8]) -> None:
    size = ids.shape[0]
    rot = rotations(pic)
    buffer = np.empty((size, size, 3))
    for j in range(size):
        for i in range(size):
            r, g, b, part = sample((i + 0.5) / size * 2 - 1, 1 - (j + 0.5) / size * 2, pic, rot)
            buffer[j, i, 0] = r
            buffer[j, i, 1] = g
            buffer[j, i, 2] = b
            ids[j, i] = part
    for j in range(size):
        for i in range(size):
            r = buffer[j, i, 0]
            g = buffer[j, i, 1]
            b = buffer[j, i, 2]
            if _is_edge(buffer, ids, j, i):
                for q in range(4):
                    du = 0.375 if q == 0 else (-0.125 if q == 1 else (-0.375 if q == 2 else 0.125))
                    dv = 0.125 if q == 0 else (0.375 if q == 1 else (-0.125 if q == 2 else -0.375))
                    u = (i + 0.5 + du) / size * 2 - 1
                    v = 1 - (j + 0.5 + dv) / size * 2
                    r1, g1, b1, _ = sample(u, v, pic, rot)
                    r += r1
                    g += g1
                    b += b1
                r /= 5
                g /= 5
                b /= 5
            image[j, i, 0] = _byte(r)
            image[j, i, 1] = _byte(g)
            image[j, i, 2] = _byte(b)


@parallel_kernel
def draw_batch(pics: npt.NDArray[np.float64], images: npt.NDArray[np.uint8], ids: npt.NDArray[np.uint8]) -> None:
    """Draw [n, P] vectors into images [n, S, S, 3] and ids [n, S, S]."""
    for k in prange(pics.shape[0]):
        _draw(pics[k], images[k], ids[k])
