"""Portraits from chosen features: the identity reference for every shot of a persona."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image

from brief.recipe import seed_of
from brief.types import Persona
from generation.models import Models
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
    (:func:`generation.vision.portrait.suitability`); where none shows exactly one face, as many again. Other bundles
    draw one.
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
    return [_chosen(found) for found in drawn]


def _candidate(persona: Persona, number: int) -> Persona:
    """The persona under the seed of its candidate ``number``; the first has the persona's own."""
    return persona if number == 0 else replace(persona, seed=seed_of("candidate", persona.seed, number))


def _chosen(drawn: Sequence[tuple[float, Image.Image]]) -> Portrait:
    best = max(range(len(drawn)), key=lambda number: drawn[number][0])
    value, image = drawn[best]
    if value == 0:
        note = f"casting: none of {len(drawn)} candidates shows exactly one face; look at it"
    else:
        note = f"casting: candidate {best + 1} of {len(drawn)}, suitability {value:.2f}"
    return Portrait(image, (note,), tuple(each for _, each in drawn))
