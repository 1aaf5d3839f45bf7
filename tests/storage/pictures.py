"""Image files for tests, good and bad."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def plain(colour: str = "teal", size: tuple[int, int] = (16, 12)) -> bytes:
    return encoded(Image.new("RGB", size, colour))
