"""The words that go to the text encoder: a face, a product, a place, in one sentence per framing.

The same functions write the captions of the world on which the starter bundle is trained, so what the bundle learnt
and what it is asked can never drift apart. Bundles of models of photographs say so by their own ``[words]``.
"""

from __future__ import annotations

import re
from functools import lru_cache

from brief.face_spec import FaceSpec
from brief.types import Environment, Framing, Product, Shot, Take, Words

SKIN_TONES = (
    "porcelain", "fair", "light", "beige", "olive", "tan", "bronze", "brown", "dark", "ebony",
)  # fmt: skip
"""A word for each step of the Monk scale, 1 to 10."""

_PERSON = {"feminine": "woman", "masculine": "man", "androgynous": "person"}


@lru_cache(maxsize=1024)
def describe_face(face: FaceSpec) -> str:
    """A noun phrase for the chosen features: "a senior woman with olive skin, curly white bob hair, blue eyes"."""
    parts = _parts(face)
    return _who(face) + (" with " + ", ".join(parts) if parts else "")


def _who(face: FaceSpec) -> str:
    return with_article(" ".join(filter(None, (face.age_band, _PERSON.get(face.gender_expression or "", "person")))))


@lru_cache(maxsize=1024)
def _parts(face: FaceSpec) -> tuple[str, ...]:
    """Remembered, since the shots of a campaign share few faces."""
    return tuple(part for part in (*_head(face), *_features(face), *_worn(face), face.notes) if part)


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
    words: list[str | None] = [face.hair_texture, face.hair_length, face.hair_colour]
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
        f"wearing {with_article(garment)}" if garment else "",
    ]


_VOWEL_SOUND = re.compile(r"(?!uni|use|usu|one\b|once|eu|ut[ei])[aeiou]|hour|honest|heir|8|11\b|18\b", re.IGNORECASE)
_DETERMINER = re.compile(r"(an?|the|this|some|two|three|four|\d+ ?x) ", re.IGNORECASE)
_PLURAL = re.compile(r"[^siu]s$", re.IGNORECASE)


def with_article(noun: str) -> str:
    """``noun`` with "a" or "an" by its sound ("an orange mug", "a unisex jacket"); as it is where it has an article, or
    is more than one ("leather gloves")."""
    noun = noun.strip()
    if not noun or _DETERMINER.match(noun) or _PLURAL.search(noun):
        return noun
    return f"{'an' if _VOWEL_SOUND.match(noun) else 'a'} {noun}"


def portrait_prompt(face: FaceSpec, words: Words | None = None) -> str:
    """The prompt of the identity reference: the face alone before a plain studio wall."""
    if words is None or not words.prefix:
        return f"portrait of {describe_face(face)}, in a white studio"
    return ", ".join([f"portrait {words.prefix} {_who(face)}", "plain white studio background", *_shown(face)])


def face_prompt(face: FaceSpec, words: Words) -> str:
    """The prompt of a face alone, wherever it is."""
    return ", ".join([f"{words.prefix or 'portrait of'} {_who(face)}", *_shown(face)])


def portrait_negative(face: FaceSpec, words: Words) -> str:
    """What a portrait should not show."""
    return ", ".join(part for part in (*_absent(face, words), words.negative) if part)


def shot_prompt(
    product: Product,
    environment: Environment,
    face: FaceSpec | None,
    framing: Framing,
    extra: str = "",
    words: Words | None = None,
) -> str:
    """The prompt of a shot: the product and the place first, since early words weigh most; then the person.

    Raises:
        ValueError: a framing with a person was asked for without a face.
    """
    if framing.has_person and face is None:
        raise ValueError(f"framing {framing.value!r} shows a person, but no persona was given")
    phrased = _captioned if words is None or not words.prefix else _photographed
    parts = phrased(product, environment, face or FaceSpec(), framing, words.prefix if words else "")
    return ", ".join(part for part in (*parts, extra.strip()) if part)


def shot_negative(negative: str, face: FaceSpec | None, words: Words) -> str:
    """What a shot should not show: a campaign's own words, what the face lacks, then what the bundle adds."""
    return ", ".join(part for part in (negative.strip(), *_absent(face, words), words.negative) if part)


def _captioned(
    product: Product, environment: Environment, face: FaceSpec, framing: Framing, _prefix: str
) -> tuple[str, ...]:
    """Like the captions of the rendered world, word for word."""
    thing = with_article(product.title)
    if framing is Framing.STILL:
        return (f"{thing} on a plinth", environment.description)
    lead = {
        Framing.HELD: f"a person holding {thing}",
        Framing.PLINTH: f"a person beside {thing} on a plinth",
        Framing.CLOSE_UP: f"close-up of {thing} before a person",
    }[framing]
    return (lead, environment.description, describe_face(face))


def _photographed(
    product: Product, environment: Environment, face: FaceSpec, framing: Framing, prefix: str
) -> tuple[str, ...]:
    """For models of photographs: one person, named once, and nothing that is not there."""
    thing, who = with_article(product.title), _who(face)
    if framing is Framing.STILL:
        return (f"{prefix} {thing} on a plinth", environment.description)
    lead = {
        Framing.HELD: f"{prefix} {who} holding {thing}",
        Framing.PLINTH: f"{prefix} {who} beside {thing} on a plinth",
        Framing.CLOSE_UP: f"close-up {prefix} {thing} in front of {who}",
    }[framing]
    return (lead, environment.description, *_shown(face))


_NO = "no "


def _shown(face: FaceSpec) -> list[str]:
    return [part for part in _parts(face) if not part.startswith(_NO) or part == face.notes]


def _absent(face: FaceSpec | None, words: Words) -> list[str]:
    """What was chosen not to be there. A model draws what it reads: "no glasses" in a prompt gives glasses."""
    if face is None or not words.prefix:
        return []
    beard = ["beard", "moustache"] if face.facial_hair == "none" else []
    return [*beard, *(part.removeprefix(_NO) for part in _parts(face) if part.startswith(_NO) and part != face.notes)]


def take_prompt(shot: Shot, take: Take) -> str:
    """The prompt of one take: its shot's, and the words that a person added for it."""
    return ", ".join(part for part in (shot.prompt, take.words.strip()) if part)
