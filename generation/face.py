"""Portraits from chosen features: the identity reference for every shot of a persona."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from brief.types import Persona
from generation.models import Models


def draw_portraits(models: Models, personas: Sequence[Persona]) -> list[Image.Image]:
    """One portrait per persona, of the bundle's own size; features and seed decide it alone."""
    return models.painter.portraits(personas)
