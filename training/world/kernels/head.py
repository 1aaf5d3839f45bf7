"""The whole head: which part is nearest."""

from __future__ import annotations

from training.world.kernels import params as p
from training.world.kernels.compile import kernel
from training.world.kernels.features import brows, carve_face, ears, eyes, facial_hair, glasses
from training.world.kernels.hair import hair
from training.world.kernels.sdf import join
from training.world.kernels.skull import skull

REACH = 0.35
"""No ear, nose, beard or glasses stands out farther from the skull than this."""
FAR_FROM_FACE = 0.95


@kernel
def head(x: float, y: float, z: float, pic: p.Params) -> tuple[float, int]:
    """Head-local distance and id of the nearest part."""
    d = skull(x, y, z, pic)
    part = p.SKIN
    if d > FAR_FROM_FACE:
        h = hair(x, y, z, pic)
        return (h, p.HAIR_ID) if h < d - REACH else (d - REACH, part)
    d = join(d, ears(x, y, z, pic), 0.06)
    if z > 0.2:
        d = carve_face(d, x, y, z, pic)
        ball, lids = eyes(x, y, z, pic)
        if ball < d:
            d = ball
            part = p.EYE
        if lids < d:
            d = lids
            part = p.LID_ID
        b = brows(x, y, z, pic)
        if b < d:
            d = b
            part = p.BROW
    if z > -0.4:
        g = glasses(x, y, z, pic)
        if g < d:
            d = g
            part = p.GLASSES_ID
        f = facial_hair(x, y, z, pic)
        if f < d:
            d = f
            part = p.BEARD_ID
    h = hair(x, y, z, pic)
    if h < d:
        d = h
        part = p.HAIR_ID
    return d, part
