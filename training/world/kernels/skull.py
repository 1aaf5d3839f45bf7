"""The skull: the solid that face shape and identity deform, and on which the features sit."""

from __future__ import annotations

from training.world.kernels import params as p
from training.world.kernels.compile import kernel
from training.world.kernels.sdf import box, ellipsoid, join, length3, mix


@kernel
def skull(x: float, y: float, z: float, pic: p.Params) -> float:
    """Distance to cranium, jaw and cheeks, head-local (origin between the ears, z out of the face)."""
    ax = abs(x)
    wide = pic[p.HEAD_W]
    jaw_w = pic[p.JAW_W]
    jaw_l = pic[p.JAW_L]
    d = ellipsoid(x, y - 0.2, z + 0.06, 0.87 * wide, 0.88, 0.90)
    jaw = ellipsoid(x, y + 0.40 * jaw_l, z - 0.14, 0.60 * jaw_w, 0.62 * jaw_l, 0.64)
    boxy = pic[p.JAW_BOX]
    if boxy > 0.0:
        square = box(x, y + 0.40 * jaw_l, z - 0.10, 0.60 * jaw_w, 0.58 * jaw_l, 0.58, 0.30)
        jaw = mix(jaw, square, boxy)
    d = join(d, jaw, 0.32)
    cheek = length3(ax - 0.40 * wide, y + 0.30, z - 0.46) - (0.25 + 0.10 * pic[p.CHEEK])
    return join(d, cheek, 0.25)


@kernel
def front_of_skull(x: float, y: float, pic: p.Params) -> float:
    """z at which a ray from the viewer meets the skull."""
    z = 1.6
    for _ in range(40):
        d = skull(x, y, z, pic)
        z -= d * 0.8
        if d < 0.001:
            break
    return z


@kernel
def settle(pic: p.Params) -> None:
    """Fill in the depths of brows, eyes, nose, mouth and glasses; call once the person's parameters are set."""
    x = pic[p.EYE_X]
    pic[p.BROW_Z1] = front_of_skull(x - 0.19, pic[p.BROW_Y] - pic[p.BROW_TILT], pic)
    pic[p.BROW_Z2] = front_of_skull(x + 0.03, pic[p.BROW_Y] + pic[p.BROW_ARCH], pic)
    pic[p.BROW_Z3] = front_of_skull(x + 0.24, pic[p.BROW_Y] - 0.05 + pic[p.BROW_TILT], pic)
    pic[p.EYE_Z] = front_of_skull(x, pic[p.EYE_Y], pic)
    pic[p.NOSE_Z] = front_of_skull(0.0, -0.1, pic)
    pic[p.MOUTH_Z] = front_of_skull(0.0, pic[p.MOUTH_Y], pic)
    pic[p.GLASSES_Z] = pic[p.EYE_Z] + pic[p.EYE_R] * 0.5 + 0.10
