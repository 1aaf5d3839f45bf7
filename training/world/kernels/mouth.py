"""The painted mouth: closed lips, or a grin with teeth. Head-local coordinates."""

from __future__ import annotations

import math

from training.world.kernels import params as p
from training.world.kernels.compile import kernel
from training.world.kernels.outdoors import blend
from training.world.kernels.sdf import mix, ramp

GRIN = 2


@kernel
def _closed(r: float, g: float, b: float, across: float, dy: float, full: float, pic: p.Params) -> p.Color:
    """``across`` is 1 at the corners; ``dy`` is the height over the line between the lips."""
    lr = pic[p.LIP_R]
    lg = pic[p.LIP_G]
    lb = pic[p.LIP_B]
    if full > 0.0:
        upper = pic[p.LIP_T] * math.sqrt(full) * (1.0 - 0.25 * math.exp(-across * across * 30))
        lower = pic[p.LIP_T] * 1.25 * math.sqrt(full)
        r, g, b = blend(r, g, b, lr, lg, lb, ramp(-0.02, 0.012, min(upper - dy, dy + lower)))
    line = ramp(0.034, 0.012, abs(dy)) * ramp(1.12, 0.98, abs(across)) * 0.85
    return blend(r, g, b, lr * 0.28, lg * 0.22, lb * 0.22, line)


@kernel
def _grin(r: float, g: float, b: float, y: float, top: float, full: float, pic: p.Params) -> p.Color:
    if full <= 0.0:
        return r, g, b
    bottom = top - 0.21 * full
    inside = min(top - y, y - bottom)
    r, g, b = blend(r, g, b, pic[p.LIP_R], pic[p.LIP_G], pic[p.LIP_B], ramp(-0.03 - pic[p.LIP_T] * 0.6, -0.020, inside))
    teeth = ramp(-0.01, 0.015, y - (top - 0.085 - 0.02 * full))
    mr = mix(0.35, 0.97, teeth)
    mg = mix(0.07, 0.95, teeth)
    mb = mix(0.08, 0.90, teeth)
    if teeth < 0.5 and y < bottom + 0.07:
        mr, mg, mb = 0.75, 0.28, 0.28
    return blend(r, g, b, mr, mg, mb, ramp(-0.012, 0.02, inside))


@kernel
def paint_mouth(r: float, g: float, b: float, x: float, y: float, pic: p.Params) -> p.Color:
    across = x / pic[p.MOUTH_W]
    if abs(across) > 1.5 or abs(y - pic[p.MOUTH_Y]) > 0.34:
        return r, g, b
    line = pic[p.MOUTH_Y] + pic[p.SMILE] * 0.11 * (across * across - 0.45)
    full = max(0.0, 1.0 - across * across)
    if int(pic[p.MOUTH]) == GRIN:
        return _grin(r, g, b, y, line + 0.035, full, pic)
    return _closed(r, g, b, across, y - line, full, pic)
