"""File formats of what is published: one row each. A further one is a further row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RenditionFormat:
    """One format.

    Attributes:
        name: as campaigns name it.
        pillow: Pillow's name of it.
        extension: of the file, with its dot.
        mime: its media type.
        options: what Pillow is told when it saves with a quality of 1 to 100.
        full_colour: what it is told besides to keep colour in full resolution; ``None`` where the format cannot.
    """

    name: str
    pillow: str
    extension: str
    mime: str
    options: Callable[[int], Mapping[str, Any]]
    full_colour: Mapping[str, Any] | None = None


_ROWS = (
    RenditionFormat("webp", "WEBP", ".webp", "image/webp", lambda quality: {"quality": quality, "method": 4}),
    RenditionFormat(
        "jpeg",
        "JPEG",
        ".jpg",
        "image/jpeg",
        lambda quality: {"quality": quality, "optimize": True, "progressive": True},
        {"subsampling": 0},
    ),
    # Lossless; level 3 of zlib takes a tenth of the time of the highest for a few per cent of size.
    RenditionFormat("png", "PNG", ".png", "image/png", lambda _quality: {"compress_level": 3}, {}),
    RenditionFormat(
        "avif",
        "AVIF",
        ".avif",
        "image/avif",
        lambda quality: {"quality": quality, "speed": 8},
        {"subsampling": "4:4:4"},
    ),
)
RENDITION_FORMATS: Mapping[str, RenditionFormat] = {row.name: row for row in _ROWS}
"""By name."""
