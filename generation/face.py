"""Portraits from chosen features: the identity reference for every shot of a persona."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch.nn import functional

from brief.prompts import face_prompt
from brief.recipe import seed_of
from brief.types import Persona, Words
from generation.models import Models
from generation.score.scoring_models import WordsClip
from generation.vision.portrait import suitability

CANDIDATES = 4
"""Portraits that are drawn of a persona by models of photographs, to choose one."""
ROUNDS = 2
"""How often so many are drawn, at most, until one can be used."""


@dataclass(frozen=True, slots=True)
class Portrait:
    """The chosen portrait; ``notes`` say how it was chosen, of ``candidates`` if there was a choice."""

    image: Image.Image
    notes: tuple[str, ...] = ()
    candidates: tuple[Image.Image, ...] = ()


def draw_portraits(models: Models, personas: Sequence[Persona]) -> list[Portrait]:
    """One portrait per persona, of the bundle's own size; features and seed decide it alone.

    Models of photographs draw :data:`CANDIDATES`, each with its own seed, and the most suitable is chosen
    (:func:`generation.vision.portrait.suitability`), as far as a words model can tell the one that shows the features
    best; where none shows exactly one face, as many again. Other bundles draw one.
    """
    vision = models.vision
    if vision is None:
        return [Portrait(image) for image in models.painter.portraits(personas)]
    drawn: list[list[tuple[float, Image.Image]]] = [[] for _ in personas]
    for number in range(ROUNDS * CANDIDATES):
        # A round is drawn to its end.
        waiting = [at for at, found in enumerate(drawn) if number % CANDIDATES or not any(value for value, _ in found)]
        waiting = [at for at in waiting if len(drawn[at]) == number]
        images = models.painter.portraits([_candidate(personas[at], number) for at in waiting]) if waiting else []
        for at, image in zip(waiting, images, strict=True):
            drawn[at].append((suitability(vision.faces, image), image))
    words = models.scoring.words
    return [
        _chosen(found, _fits(words, persona, found) if words else None)
        for persona, found in zip(personas, drawn, strict=True)
    ]


def _candidate(persona: Persona, number: int) -> Persona:
    """The persona under the seed of its candidate ``number``; the first has the persona's own."""
    return persona if number == 0 else replace(persona, seed=seed_of("candidate", persona.seed, number))


def _fits(words: WordsClip, persona: Persona, drawn: Sequence[tuple[float, Image.Image]]) -> list[float]:
    """How well each candidate shows the persona's features, relative to the one that shows them best: 0 to 1, the ratio
    of their probabilities."""
    (asked,) = words.words([face_prompt(persona.face, Words())])
    seen = torch.stack(words.images([image for _, image in drawn]))
    logits = words.steepness * functional.cosine_similarity(seen, asked[None], dim=-1)
    return [float(value) for value in (logits - logits.max()).exp()]


def _chosen(drawn: Sequence[tuple[float, Image.Image]], fits: Sequence[float] | None) -> Portrait:
    """The most suitable one; features count for half, since no words tell a face's likeness exactly."""
    weighed = [value * (0.5 + 0.5 * fit) for (value, _), fit in zip(drawn, fits or [1.0] * len(drawn), strict=True)]
    best = max(range(len(drawn)), key=weighed.__getitem__)
    value, image = drawn[best]
    if value == 0:
        note = f"casting: none of {len(drawn)} candidates shows exactly one face; look at it"
    else:
        features = f", features {fits[best]:.2f} of the best" if fits else ""
        note = f"casting: candidate {best + 1} of {len(drawn)}, suitability {value:.2f}{features}"
    return Portrait(image, (note,), tuple(each for _, each in drawn))
