"""Layout of the vector that holds all that decides one picture.

Plain module constants, since compiled code freezes them as integers. ``*_R, *_G, *_B`` are linear colours.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Params = npt.NDArray[np.float64]
Rotations = npt.NDArray[np.float64]
Color = tuple[float, float, float]

FLOOR = -1.78
"""Height of the floor in world units."""

(
    # place, camera, light
    PLACE, PLACE_SEED, CAMERA_HALF, CAMERA_X, CAMERA_Y, KEY_AZIMUTH, KEY_ELEVATION,
    KEY_R, KEY_G, KEY_B, FILL_R, FILL_G, FILL_B, AMBIENT_R, AMBIENT_G, AMBIENT_B, ISOLATED,
    # person
    PERSON, PERSON_X, PERSON_Y, PERSON_Z, YAW, PITCH, TILT, BODY_YAW, SHOULDER,
    SKIN_R, SKIN_G, SKIN_B, HEAD_W, JAW_W, JAW_L, JAW_BOX, CHEEK, EAR,
    NOSE_W, NOSE_L, NOSE_DROP, EYE_X, EYE_Y, EYE_R, EYE_H, EYE_TILT, GAZE_X, GAZE_Y, LID, LASH,
    IRIS_R, IRIS_G, IRIS_B, BROW_T, BROW_TILT, BROW_Y, BROW_ARCH, BROW_R, BROW_G, BROW_B,
    MOUTH, MOUTH_W, MOUTH_Y, SMILE, LIP_R, LIP_G, LIP_B, LIP_T,
    HAIR, HAIR_R, HAIR_G, HAIR_B, TEXTURE, LENGTH, FRINGE, PART, GREYING,
    BEARD, BEARD_R, BEARD_G, BEARD_B, GLASSES, GLASSES_R, GLASSES_G, GLASSES_B,
    LINES, FRECKLES, MOLES, MOLE_SEED, BLUSH, EYESHADOW, EYESHADOW_R, EYESHADOW_G, EYESHADOW_B,
    TOP, TOP_R, TOP_G, TOP_B, TOP2_R, TOP2_G, TOP2_B, TOP_PATTERN,
    # product
    PRODUCT, PRODUCT_X, PRODUCT_Y, PRODUCT_Z, PRODUCT_SCALE, PRODUCT_YAW, MATERIAL, PATTERN,
    FIRST_R, FIRST_G, FIRST_B, SECOND_R, SECOND_G, SECOND_B, PLINTH, PLINTH_W, PLINTH_R, PLINTH_G, PLINTH_B, HAND,
    # found on the skull by skull.settle
    BROW_Z1, BROW_Z2, BROW_Z3, EYE_Z, NOSE_Z, MOUTH_Z, GLASSES_Z,
    COUNT,
) = range(127)  # fmt: skip

# What a pixel shows: the values of the id image.
BACKDROP, GROUND, PLINTH_ID, SKIN, EYE, HAIR_ID, BROW, BEARD_ID, GLASSES_ID, TOP_ID = range(10)
PRODUCT_FIRST, PRODUCT_SECOND, PRODUCT_TRIM, HAND_ID, LID_ID, NECK = range(10, 16)
