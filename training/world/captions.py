"""Words of a scene, by the same functions that write prompts at run time."""

from __future__ import annotations

import itertools
import re
from dataclasses import fields, replace

import numpy as np

from brief.face_spec import CHOICES, FaceSpec
from brief.prompts import SKIN_TONES, describe_face, portrait_prompt, shot_prompt, with_article
from brief.types import Environment, Framing, ImageRef, Product
from training.world.personas import captioned
from training.world.places import DESCRIPTIONS
from training.world.products import COLOURS, KINDS, MATERIALS, PATTERNS, SECOND_COLOURS, WorldProduct
from training.world.scene import SHOTS, Scene, View

_NO_IMAGE = ImageRef("", "")


def packshot_caption(product: WorldProduct) -> str:
    return f"{with_article(product.title)}, on a white background"


def photo_caption(description: str) -> str:
    return f"an empty place, {description}"


def thin_out(face: FaceSpec, rng: np.random.Generator) -> FaceSpec:
    """Forget a random share of the features, so that short casting sheets are understood too."""
    keep = rng.choice((1.0, 0.7, 0.4, 0.15))
    drop = {field.name: None for field in fields(face) if rng.random() > keep}
    return replace(face, **drop)


def caption(scene: Scene, rng: np.random.Generator | None = None) -> str:
    """The scene's prompt with every feature told, or with some left out at random when ``rng`` is given."""
    face = captioned(scene.persona.face) if scene.persona else None
    if face is not None and rng is not None:
        face = thin_out(face, rng)
    product = scene.product
    if scene.view is View.PORTRAIT and face is not None:
        if scene.place.name == "studio":
            return portrait_prompt(face)
        return f"portrait of {describe_face(face)}, {scene.place.description}"
    if scene.view is View.PHOTO or product is None:
        return photo_caption(scene.place.description)
    if scene.view is View.PACKSHOT:
        return packshot_caption(product)
    wanted = Product("a", product.title, product.kind, _NO_IMAGE)
    where = Environment(scene.place.name, scene.place.description, _NO_IMAGE)
    return shot_prompt(wanted, where, face, Framing(scene.view.value))


def flip_caption(text: str) -> str:
    """The caption of the mirrored picture: "turned left" becomes "turned right" and the other way round."""
    return re.sub(r"turned (left|right)", lambda m: f"turned {'right' if m[1] == 'left' else 'left'}", text)


def words(text: str) -> list[str]:
    """Lower-case words of a caption; hyphenated words stay whole."""
    return re.findall(r"[a-z]+(?:-[a-z]+)*", text.lower())


def _all_phrases() -> list[str]:
    faces = [FaceSpec()]
    faces += [FaceSpec.from_mapping({name: value}) for name, values in CHOICES.items() for value in values]
    faces += [FaceSpec(skin_tone=tone) for tone in range(1, len(SKIN_TONES) + 1)]
    faces += [FaceSpec(freckles=flag, moles=flag) for flag in (True, False)]
    phrases = [portrait_prompt(face) for face in faces]
    for kind, material, pattern, colour, second in itertools.zip_longest(
        KINDS, MATERIALS, PATTERNS, COLOURS, SECOND_COLOURS
    ):
        parts = (kind or "mug", material or "matte", pattern or "striped", colour or "red", second or "red")
        phrases.append(packshot_caption(WorldProduct(*parts)))
    phrases += [photo_caption(description) for description in DESCRIPTIONS.values()]
    place = Environment("a", "a", _NO_IMAGE)  # a word that the captions have anyway
    thing = Product("a", "a", "a", _NO_IMAGE)
    phrases += [shot_prompt(thing, place, FaceSpec(), Framing(view.value)) for view in SHOTS]
    phrases.append(" ".join((*PATTERNS, "and")))
    return phrases


def all_words() -> list[str]:
    """Every word that a caption can contain, sorted; the tokenizer gives each a token of its own."""
    return sorted({word for phrase in _all_phrases() for word in words(phrase)})
