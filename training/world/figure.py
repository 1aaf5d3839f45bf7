"""From a casting sheet and an identity to the numbers of the head and the garment."""

from __future__ import annotations

import numpy as np

from brief.face_spec import CHOICES
from training.world import palette
from training.world.kernels import params as p
from training.world.palette import Rgb
from training.world.personas import WorldPersona

_FACE_SHAPE = {
    "oval": (0.95, 0.94, 1.04, 0.0, 0.3),
    "round": (1.10, 1.26, 0.86, 0.0, 1.0),
    "square": (1.02, 1.24, 0.98, 0.75, 0.1),
    "long": (0.84, 0.88, 1.20, 0.0, 0.0),
    "heart": (1.12, 0.76, 1.12, 0.0, 0.9),
}
"""Width of head and jaw, length of jaw, squareness of jaw, fullness of cheeks."""
_EYE_SHAPE = {
    "almond": (0.215, 0.74, 0.16, 0.50),
    "round": (0.225, 1.00, 0.0, 0.60),
    "hooded": (0.215, 0.88, -0.08, 0.16),
    "wide": (0.272, 0.98, 0.0, 0.66),
}
"""Radius, height over width, tilt of the outer corner, height of the upper lid."""
_BROWS = {
    "thin": (0.026, -0.02, 0.045),
    "thick": (0.072, -0.02, 0.045),
    "arched": (0.042, -0.045, 0.105),
    "straight": (0.046, 0.022, -0.005),
}
"""Thickness, tilt, height of the arch."""
_NOSE = {
    "small": (0.78, 0.68, 0.7),
    "straight": (0.86, 1.12, 1.0),
    "broad": (1.60, 1.02, 1.0),
    "long": (0.95, 1.26, 1.7),
}
"""Width, length of the tip, drop."""
_SMILE = {"neutral": (0.06, 0.22), "smiling": (1.30, 0.28), "grinning": (0.62, 0.31)}
_LINES = {"none": 0.0, "fine": 0.50, "deep": 1.0}
_GREYING = {"young adult": 0.0, "adult": 0.0, "middle-aged": 0.75, "senior": 0.9}
_AGE_LID = {"young adult": 0.04, "adult": 0.0, "middle-aged": -0.06, "senior": -0.14}
_YOUTH = {"young adult": 1.0, "adult": 0.45, "middle-aged": 0.25, "senior": 0.0}
_FEMININITY = {"feminine": 1.0, "androgynous": 0.5, "masculine": 0.0}


def set_colour(pic: p.Params, red_index: int, colour: Rgb) -> None:
    pic[red_index : red_index + 3] = colour


def _index(persona: WorldPersona, field: str) -> int:
    return CHOICES[field].index(getattr(persona.face, field))


def _set_bones(pic: p.Params, persona: WorldPersona, soft: float) -> None:
    face, z = persona.face, persona.identity
    youth = _YOUTH[face.age_band or "adult"]
    head, jaw, long, boxy, cheek = _FACE_SHAPE[face.face_shape or "oval"]
    pic[p.HEAD_W] = head * (1 + 0.025 * z[1])
    pic[p.JAW_W] = jaw * (1.07 - 0.15 * soft) * (1 + 0.05 * z[2])
    pic[p.JAW_L] = long * (1.03 - 0.07 * youth) * (1 + 0.03 * z[3])
    pic[p.JAW_BOX] = boxy
    pic[p.CHEEK] = cheek + 0.15 * z[4] + 0.25 * youth - 0.2
    pic[p.EAR] = (1.22 - 0.22 * youth) * (1 + 0.14 * z[5])
    pic[p.SHOULDER] = (1.10 - 0.22 * soft) * (1 + 0.03 * z[5])
    wide, long, drop = _NOSE[face.nose or "straight"]
    aged = 1.12 - 0.18 * youth
    pic[p.NOSE_W] = wide * (1.12 - 0.12 * soft) * aged * (1 + 0.12 * z[6])
    pic[p.NOSE_L] = long * aged * (1 + 0.10 * z[7])
    pic[p.NOSE_DROP] = drop + 0.3 * z[7]


def _set_eyes(pic: p.Params, persona: WorldPersona, soft: float) -> None:
    face, z = persona.face, persona.identity
    radius, height, tilt, lid = _EYE_SHAPE[face.eye_shape or "round"]
    age = face.age_band or "adult"
    pic[p.EYE_X] = 0.345 + 0.020 * z[8]
    pic[p.EYE_Y] = 0.06 + 0.020 * z[9]
    pic[p.EYE_R] = radius * (0.95 + 0.06 * soft) * (0.92 + 0.18 * _YOUTH[age]) * (1 + 0.04 * z[10])
    pic[p.EYE_H] = height * (1 + 0.04 * z[11])
    pic[p.EYE_TILT] = tilt + 0.03 * z[11]
    pic[p.LID] = (lid - 0.05 * z[12] + _AGE_LID[age]) * height
    pic[p.LASH] = 0.1 + 0.7 * soft + (0.3 if face.makeup != "none" else 0.0)
    set_colour(pic, p.IRIS_R, palette.EYES[face.eye_colour or "brown"])
    thick, tilt, arch = _BROWS[face.brows or "straight"]
    pic[p.BROW_T] = thick * (1.25 - 0.40 * soft) * (1 + 0.10 * z[13])
    pic[p.BROW_TILT] = tilt + 0.014 * z[14]
    pic[p.BROW_Y] = 0.405 + 0.018 * z[15] + (0.02 if face.eye_shape == "wide" else 0.0)
    pic[p.BROW_ARCH] = arch + 0.010 * z[3]


def _set_hair(pic: p.Params, persona: WorldPersona) -> None:
    face, z = persona.face, persona.identity
    colour = palette.HAIR[face.hair_colour or "brown"]
    natural = palette.HAIR["brown"] if face.hair_colour in ("pink", "blue") else colour
    dark = 0.5 if (face.skin_tone or 5) >= 8 else 0.75
    if face.age_band == "senior":
        natural, dark = palette.HAIR["grey"], 1.0
    set_colour(pic, p.HAIR_R, colour)
    set_colour(pic, p.BROW_R, tuple(np.multiply(natural, dark)))
    set_colour(pic, p.BEARD_R, tuple(np.multiply(colour, 0.92)))
    pic[p.HAIR] = _index(persona, "hair_style")
    pic[p.TEXTURE] = _index(persona, "hair_texture")
    pic[p.LENGTH] = _index(persona, "hair_length")
    pic[p.FRINGE] = _index(persona, "fringe")
    pic[p.PART] = 1.0 if z[6] >= 0 else -1.0
    pic[p.BEARD] = _index(persona, "facial_hair")
    grey_anyway = face.hair_colour in ("grey", "white")
    pic[p.GREYING] = 0.0 if grey_anyway else _GREYING[face.age_band or "adult"]


def _set_mouth(pic: p.Params, persona: WorldPersona, soft: float, skin: Rgb) -> None:
    face, z = persona.face, persona.identity
    smile, width = _SMILE[face.expression or "neutral"]
    pic[p.MOUTH] = _index(persona, "expression")
    pic[p.SMILE] = smile
    pic[p.MOUTH_W] = width * (1 + 0.06 * z[4])
    pic[p.MOUTH_Y] = -0.47 - 0.02 * z[9]
    pic[p.LIP_T] = (0.108 if face.lips == "full" else 0.026) * (1 + 0.05 * z[12])
    bare = np.multiply(skin, (0.82, 0.44, 0.44)) * (1 - 0.4 * soft) + np.multiply(palette.NATURAL_LIPS, 0.4 * soft)
    worn = {"natural": palette.NATURAL_LIPS, "bold": palette.BOLD_LIPS}.get(face.makeup or "none")
    share = 0.0 if worn is None else 0.85 if face.makeup == "bold" else 0.75
    set_colour(pic, p.LIP_R, tuple(bare * (1 - share) + np.multiply(worn or (0.0, 0.0, 0.0), share)))


def _set_skin(pic: p.Params, persona: WorldPersona, soft: float) -> None:
    face, z = persona.face, persona.identity
    skin = tuple(np.multiply(palette.SKIN[(face.skin_tone or 5) - 1], 1 + 0.02 * z[0]))
    set_colour(pic, p.SKIN_R, skin)
    makeup = face.makeup or "none"
    young = 0.45 if face.age_band == "young adult" else 0.0
    pic[p.BLUSH] = {"none": 0.25 + 0.2 * soft, "natural": 0.9, "bold": 1.1}[makeup] + young
    pic[p.EYESHADOW] = {"none": 0.0, "natural": 0.6, "bold": 0.85}[makeup]
    set_colour(pic, p.EYESHADOW_R, palette.EYESHADOW.get(makeup, skin))
    pic[p.LINES] = _LINES[face.lines or "none"]
    pic[p.FRECKLES] = float(bool(face.freckles))
    pic[p.MOLES] = float(bool(face.moles))
    pic[p.MOLE_SEED] = 50.0 + 20.0 * z[13]
    pic[p.GLASSES] = _index(persona, "glasses")
    set_colour(pic, p.GLASSES_R, palette.THINGS[face.glasses_colour or "black"])
    _set_mouth(pic, persona, soft, skin)


def _set_garment(pic: p.Params, persona: WorldPersona) -> None:
    face = persona.face
    colour = face.wardrobe_colour or "blue"
    pic[p.TOP] = _index(persona, "wardrobe")
    pic[p.TOP_PATTERN] = _index(persona, "wardrobe_pattern")
    set_colour(pic, p.TOP_R, palette.THINGS[colour])
    light = colour in ("white", "yellow", "pink")
    set_colour(pic, p.TOP2_R, palette.THINGS["navy" if light else "white"])


def set_person(pic: p.Params, persona: WorldPersona) -> None:
    """Write a person's look into ``pic``; place and turn of the head are left to the scene."""
    soft = _FEMININITY[persona.face.gender_expression or "androgynous"]
    pic[p.PERSON] = 1.0
    _set_bones(pic, persona, soft)
    _set_eyes(pic, persona, soft)
    _set_hair(pic, persona)
    _set_skin(pic, persona, soft)
    _set_garment(pic, persona)
