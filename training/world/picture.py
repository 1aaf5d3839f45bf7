"""Pixels of scenes, and which of them show what.

Pictures are uint8 RGB [n, S, S, 3], display-referred (sRGB-like gamma 2.2), row 0 at the top. Ids are uint8 [n, S, S]
with the values of :mod:`training.world.kernels.params` (``BACKDROP`` 0 to ``NECK`` 15), one sample per pixel centre;
pictures are antialiased, ids are not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from training.world.kernels import params as p
from training.world.kernels.camera import draw_batch
from training.world.scene import Scene, scene_params

Images = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

FACE_IDS = (p.SKIN, p.EYE, p.HAIR_ID, p.BROW, p.BEARD_ID, p.GLASSES_ID, p.LID_ID)
"""The head with hair and glasses, without the neck."""
PRODUCT_IDS = (p.PRODUCT_FIRST, p.PRODUCT_SECOND, p.PRODUCT_TRIM)
ENVIRONMENT_IDS = (p.BACKDROP, p.GROUND)
BODY_IDS = (p.TOP_ID, p.NECK, p.HAND_ID)


def render(params: npt.NDArray[np.float64], size: int) -> tuple[Images, Images]:
    """Draw vectors [n, P]: images [n, S, S, 3] and ids [n, S, S]. Runs on numba's threads."""
    count = params.shape[0]
    images = np.empty((count, size, size, 3), np.uint8)
    ids = np.empty((count, size, size), np.uint8)
    draw_batch(np.ascontiguousarray(params), images, ids)
    return images, ids


def render_scenes(scenes: Sequence[Scene], size: int) -> tuple[Images, Images]:
    """Draw scenes; see :func:`render`."""
    return render(np.stack([scene_params(scene) for scene in scenes]), size)


def face_mask(ids: Images) -> Mask:
    return np.isin(ids, FACE_IDS)


def product_mask(ids: Images) -> Mask:
    return np.isin(ids, PRODUCT_IDS)


def environment_mask(ids: Images) -> Mask:
    """Floor and backdrop; plinth and body belong to no reference."""
    return np.isin(ids, ENVIRONMENT_IDS)


def packshot_rgba(scene: Scene, size: int, oversample: int = 4) -> Images:
    """One packshot as RGBA [S, S, 4] with exact coverage as alpha and unmixed colour (straight, not premultiplied)."""
    images, ids = render_scenes([scene], size * oversample)
    cover = product_mask(ids[0]).astype(np.float64)
    shape = (size, oversample, size, oversample)
    alpha = cover.reshape(shape).mean(axis=(1, 3))
    colour = (images[0] * cover[..., None]).reshape(*shape, 3).mean(axis=(1, 3))
    straight = np.where(alpha[..., None] > 0, colour / np.maximum(alpha[..., None], 1e-9), 255.0)
    return np.concatenate([straight, alpha[..., None] * 255.0], axis=-1).round().astype(np.uint8)
