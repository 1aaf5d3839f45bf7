"""Composition: person, product and place in one picture."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from generation.painter import Painter
from generation.scene.material import Material
from generation.scene.scene import Scene, drawn_scene, put_back


def lay_out(painter: Painter, material: Material) -> Scene:
    """``material`` at the size at which ``painter`` draws it, everything decoded and at its place.

    Raises:
        ValueError: an image is missing, cannot be read or cut out; an unknown recipe or change.
    """
    scene = drawn_scene(painter.card, painter.size_step, material, painter.hint)
    _ = scene.collage, scene.references
    return scene


def compose_pictures(painter: Painter, scenes: Sequence[Scene]) -> list[Image.Image]:
    """Each scene drawn, and what is kept to the end put back."""
    return [put_back(picture, scene) for picture, scene in zip(painter.compose(scenes), scenes, strict=True)]
