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


@dataclass(frozen=True, slots=True)
class Portrait:
    """The chosen portrait; ``notes`` say how it was chosen, of ``candidates`` if there was a choice."""

    image: Image.Image
    notes: tuple[str, ...] = ()
    candidates: tuple[Image.Image, ...] = ()


def draw_portraits(models: Models, personas: Sequence[Persona]) -> list[Portrait]:
    """One portrait per persona, of the bundle's own size; features and seed decide it alone.

    Models of photographs draw :data:`CANDIDATES`, each with its own seed, and the most suitable is chosen
    (:func:`generation.vision.portrait.suitability`). Other bundles draw one.
    """
    if models.vision is None:
        return [Portrait(image) for image in models.painter.portraits(personas)]
    rounds = [
        models.painter.portraits([_candidate(persona, number) for persona in personas]) for number in range(CANDIDATES)
    ]
    return [_chosen(models, candidates) for candidates in zip(*rounds, strict=True)]


def _candidate(persona: Persona, number: int) -> Persona:
    """The persona under the seed of its candidate ``number``; the first has the persona's own."""
    return persona if number == 0 else replace(persona, seed=seed_of("candidate", persona.seed, number))


def _chosen(models: Models, candidates: Sequence[Image.Image]) -> Portrait:
    if models.vision is None:
        raise ValueError("candidates are judged by vision models, and this bundle loads none")
    values = [suitability(models.vision.faces, image) for image in candidates]
    best = max(range(len(values)), key=values.__getitem__)
    if values[best] == 0:
        note = f"casting: none of {len(values)} candidates shows exactly one face; look at it"
    else:
        note = f"casting: candidate {best + 1} of {len(values)}, suitability {values[best]:.2f}"
    return Portrait(candidates[best], (note,), tuple(candidates))
