"""The words that go to the text encoder: a face, a product, a place, in one sentence per framing.

The same functions write the captions of the world on which the starter bundle is trained, so what the bundle learnt
and what it is asked can never drift apart.
"""

from __future__ import annotations

from brief.face_spec import FaceSpec
from brief.types import Environment, Framing, Product, Shot, Take

SKIN_TONES = (
    "porcelain", "fair", "light", "beige", "olive", "tan", "bronze", "brown", "dark", "ebony",
)  # fmt: skip
"""A word for each step of the Monk scale, 1 to 10."""

_PERSON = {"feminine": "woman", "masculine": "man", "androgynous": "person"}


def describe_face(face: FaceSpec) -> str:
    """A noun phrase for the chosen features: "a senior woman with olive skin, curly white bob hair, blue eyes"."""
    who = " ".join(filter(None, (face.age_band, _PERSON.get(face.gender_expression or "", "person"))))
    article = "an" if who[0] in "aeiou" else "a"
    parts = [part for part in (*_head(face), *_features(face), *_worn(face), face.notes) if part]
    return f"{article} {who}" + (" with " + ", ".join(parts) if parts else "")


def _head(face: FaceSpec) -> list[str]:
    parts = []
    if face.skin_tone is not None:
        parts.append(f"{SKIN_TONES[face.skin_tone - 1]} skin")
    if face.face_shape:
        parts.append(f"a {face.face_shape} face" if face.face_shape != "oval" else "an oval face")
    parts.append(_hair(face))
    if face.fringe:
        parts.append("a fringe" if face.fringe != "none" else "no fringe")
    return parts


def _hair(face: FaceSpec) -> str:
    if face.hair_style == "bald":
        return "a bald head"
    style = {"bun": "hair in a bun", "ponytail": "hair in a ponytail", "afro": "afro hair", "loose": "loose hair"}
    words = [face.hair_texture, face.hair_length, face.hair_colour]
    if face.hair_style:
        words.append(style.get(face.hair_style, f"{face.hair_style} hair"))
    elif any(words):
        words.append("hair")
    return " ".join(word for word in words if word)


def _features(face: FaceSpec) -> list[str]:
    eyes = " ".join(word for word in (face.eye_shape, face.eye_colour) if word)
    beard = {None: "", "none": "clean shaven"}.get(face.facial_hair, f"a {face.facial_hair}")
    lines = {None: "", "none": "smooth skin"}.get(face.lines, f"{face.lines} lines")
    makeup = {None: "", "none": "no makeup"}.get(face.makeup, f"{face.makeup} makeup")
    return [
        f"{eyes} eyes" if eyes else "",
        f"{face.brows} brows" if face.brows else "",
        f"a {face.nose} nose" if face.nose else "",
        f"{face.lips} lips" if face.lips else "",
        beard,
        {None: "", True: "freckles", False: "no freckles"}[face.freckles],
        {None: "", True: "moles", False: "no moles"}[face.moles],
        lines,
        makeup,
        face.expression + (" expression" if face.expression == "neutral" else "") if face.expression else "",
        {"front": "facing front", None: ""}.get(face.head_pose, f"{face.head_pose}"),
    ]


def _worn(face: FaceSpec) -> list[str]:
    glasses = " ".join(word for word in (face.glasses_colour, face.glasses, "glasses") if word)
    garment = " ".join(word for word in (face.wardrobe_colour, face.wardrobe_pattern, face.wardrobe) if word)
    if garment and not face.wardrobe:
        garment += " clothes"
    return [
        "" if face.glasses is None else "no glasses" if face.glasses == "none" else glasses,
        f"wearing a {garment}" if garment else "",
    ]


def portrait_prompt(face: FaceSpec) -> str:
    """The prompt of the identity reference: the face alone before a plain studio wall."""
    return f"portrait of {describe_face(face)}, in a white studio"


def shot_prompt(
    product: Product, environment: Environment, face: FaceSpec | None, framing: Framing, extra: str = ""
) -> str:
    """The prompt of a shot: the product and the place first, since early words weigh most; then the person.

    Raises:
        ValueError: a framing with a person was asked for without a face.
    """
    thing = f"a {product.title.strip()}"
    if framing is Framing.STILL:
        parts = [f"{thing} on a plinth", environment.description]
    elif face is None:
        raise ValueError(f"framing {framing.value!r} shows a person, but no persona was given")
    else:
        lead = {
            Framing.HELD: f"a person holding {thing}",
            Framing.PLINTH: f"a person beside {thing} on a plinth",
            Framing.CLOSE_UP: f"close-up of {thing} before a person",
        }[framing]
        parts = [lead, environment.description, describe_face(face)]
    return ", ".join(part for part in (*parts, extra.strip()) if part)


def take_prompt(shot: Shot, take: Take) -> str:
    """The prompt of one take: its shot's, and the words that a person added for it."""
    return ", ".join(part for part in (shot.prompt, take.words.strip()) if part)
