"""Skin as it is painted: blush, freckles, moles, lines, makeup, eyes. Head-local coordinates."""

from __future__ import annotations

import math

from training.world.kernels import params as p
from training.world.kernels.compile import kernel
from training.world.kernels.features import eye_frame
from training.world.kernels.mouth import paint_mouth
from training.world.kernels.noise import hash1, hash2
from training.world.kernels.outdoors import blend
from training.world.kernels.sdf import mix, ramp

FACE_FRONT = 0.1
CHIN = -1.3


@kernel
def _freckles(x: float, y: float) -> float:
    fx = x * 10.0
    fy = y * 10.0
    i = math.floor(fx)
    j = math.floor(fy)
    h = hash2(i, j)
    dx = fx - i - 0.25 - 0.5 * h
    dy = fy - j - 0.25 - 0.5 * hash2(j, i)
    f = ramp(0.34, 0.16, math.sqrt(dx * dx + dy * dy)) * (1.0 if h > 0.22 else 0.0)
    return f * ramp(0.66, 0.50, abs(x)) * ramp(-0.54, -0.42, y) * ramp(0.12, 0.0, y) * 0.9


@kernel
def _moles(x: float, y: float, pic: p.Params) -> float:
    """Two beauty spots whose places belong to the person."""
    seed = pic[p.MOLE_SEED]
    f = 0.0
    for k in range(2):
        side = 1.0 if hash1(seed + k * 7.0) > 0.5 else -1.0
        dx = x - side * (0.30 + 0.22 * hash1(seed + k * 3.0 + 1.0))
        dy = y + 0.22 + 0.42 * hash1(seed + k * 5.0 + 2.0)
        f = max(f, ramp(0.050, 0.032, math.sqrt(dx * dx + dy * dy)))
    return f


@kernel
def _lines(x: float, y: float, pic: p.Params) -> float:
    """Forehead, nose-to-mouth, under the eyes and crow's feet; 0 to 1."""
    ax = abs(x)
    r = pic[p.EYE_R]
    f = 0.0
    for k in range(2):
        high = 0.58 + 0.11 * k + 0.03 * math.cos(x * 7)
        f = max(f, ramp(0.026, 0.006, abs(y - high)) * ramp(0.42, 0.30, ax))
    fold = ax - 0.17 - 0.42 * (-0.14 - y)
    f = max(f, ramp(0.032, 0.008, abs(fold)) * ramp(-0.48, -0.42, y) * ramp(-0.10, -0.16, y))
    ex = ax - pic[p.EYE_X]
    ey = y - pic[p.EYE_Y]
    bag = abs(math.sqrt(ex * ex + ey * ey * 1.3) - r * 1.42)
    f = max(f, 0.8 * ramp(0.026, 0.006, bag) * ramp(0.0, -0.1, ey))
    cx = ex - r * 1.25
    for k in range(2):
        foot = abs(ey - 0.03 + 0.10 * k - (0.25 - 0.55 * k) * cx)
        f = max(f, ramp(0.024, 0.006, foot) * ramp(0.0, 0.03, cx) * ramp(0.22, 0.14, cx))
    return f


@kernel
def _eyeshadow(x: float, y: float, pic: p.Params) -> float:
    ex, ey = eye_frame(x, y, pic)
    r = pic[p.EYE_R]
    q = math.sqrt(ex * ex + (ey - 0.10) * (ey - 0.10) * 1.6) / r
    return ramp(1.55, 1.05, q) * ramp(0.0, 0.08, ey)


@kernel
def paint_face(r: float, g: float, b: float, x: float, y: float, z: float, pic: p.Params) -> p.Color:
    """Skin colour with everything that is painted on the front of the face."""
    if z < FACE_FRONT or y < CHIN:
        return r, g, b
    ax = abs(x)
    f = math.exp(-((ax - 0.46) * (ax - 0.46) + (y + 0.27) * (y + 0.27)) * 9.0) * pic[p.BLUSH]
    r, g, b = blend(r, g, b, min(1.0, r * 1.06 + 0.03), g * 0.66, b * 0.68, f)
    warm = 1 - 0.077 * math.exp(-(x * x + (y + 0.13) * (y + 0.13)) * 45) * ramp(0.8, 1.0, z)
    g *= warm
    b *= warm
    if pic[p.EYESHADOW] > 0.0:
        f = _eyeshadow(x, y, pic) * pic[p.EYESHADOW]
        r, g, b = blend(r, g, b, pic[p.EYESHADOW_R], pic[p.EYESHADOW_G], pic[p.EYESHADOW_B], f)
    if pic[p.FRECKLES] > 0.5:
        r, g, b = blend(r, g, b, r * 0.58, g * 0.38, b * 0.26, _freckles(x, y))
    if pic[p.LINES] > 0.0:
        f = pic[p.LINES] * _lines(x, y, pic)
        r *= 1 - 0.36 * f
        g *= 1 - 0.44 * f
        b *= 1 - 0.44 * f
    if pic[p.MOLES] > 0.5:
        r, g, b = blend(r, g, b, r * 0.16 + 0.02, g * 0.10 + 0.01, b * 0.08 + 0.01, _moles(x, y, pic))
    return paint_mouth(r, g, b, x, y, pic)


@kernel
def paint_lid(x: float, y: float, pic: p.Params) -> p.Color:
    """Eyelid: eyeshadow above, lashes along its edge."""
    shadow = pic[p.EYESHADOW]
    r, g, b = blend(
        pic[p.SKIN_R] * 0.90, pic[p.SKIN_G] * 0.86, pic[p.SKIN_B] * 0.86,
        pic[p.EYESHADOW_R], pic[p.EYESHADOW_G], pic[p.EYESHADOW_B], shadow,
    )  # fmt: skip
    _, ey = eye_frame(x, y, pic)
    edge = ey - pic[p.LID] * pic[p.EYE_R]
    lash = pic[p.LASH]
    f = ramp(0.040 + 0.05 * lash, 0.012, edge) * (1.0 if edge > -0.02 else 0.0) * (0.55 + 0.45 * lash)
    return blend(r, g, b, 0.05, 0.03, 0.03, f)


@kernel
def paint_eye(x: float, y: float, pic: p.Params) -> p.Color:
    """Eyeball: white, iris with a dark rim, pupil."""
    side = 1.0 if x > 0 else -1.0
    ex, ey = eye_frame(x, y, pic)
    tall = pic[p.EYE_H]
    dx = side * ex / pic[p.EYE_R] - pic[p.GAZE_X]
    dy = ey / pic[p.EYE_R] - pic[p.GAZE_Y] * tall
    q = math.sqrt(dx * dx + dy * dy)
    k = 0.75 + 0.6 * ramp(0.2, -0.5, dy)
    iris = ramp(0.66, 0.54, q)
    r, g, b = blend(0.96, 0.96, 0.97, pic[p.IRIS_R] * k, pic[p.IRIS_G] * k, pic[p.IRIS_B] * k, iris)
    rim = 1 - 0.6 * ramp(0.09, 0.02, abs(q - 0.58))
    return blend(r * rim, g * rim, b * rim, 0.02, 0.02, 0.03, ramp(0.37, 0.25, q))


@kernel
def catch_light(x: float, y: float, to_right: bool, pic: p.Params) -> float:
    """The bright spot on the iris, on the side of the key light."""
    side = 1.0 if x > 0 else -1.0
    ex, ey = eye_frame(x, y, pic)
    dx = side * ex / pic[p.EYE_R] - pic[p.GAZE_X] - (0.22 if to_right else -0.22)
    dy = ey / pic[p.EYE_R] - pic[p.GAZE_Y] - 0.24
    return ramp(0.24, 0.12, math.sqrt(dx * dx + dy * dy))


@kernel
def hair_colour(x: float, y: float, z: float, relief: float, pic: p.Params) -> p.Color:
    """Hair with dark valleys, greying from the temples."""
    deep = 0.26 if pic[p.TEXTURE] > 1.5 else 0.14
    k = 1.0 + deep * relief
    r = pic[p.HAIR_R]
    g = pic[p.HAIR_G]
    b = pic[p.HAIR_B]
    if pic[p.GREYING] > 0.0:
        f = pic[p.GREYING] * ramp(0.50, 0.10, y) * ramp(-0.5, -0.1, z) * ramp(0.45, 0.65, abs(x))
        r, g, b = blend(r, g, b, 0.55, 0.55, 0.56, f)
    return mix(0.0, r, k), mix(0.0, g, k), mix(0.0, b, k)
