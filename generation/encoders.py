"""The two encoders of a bundle with their caches, as every stage uses them."""

from __future__ import annotations

from dataclasses import dataclass

from generation.bundle import Bundle
from generation.encode import ImageEncoder
from generation.encode_text import TextEncoder


@dataclass(frozen=True, slots=True)
class Encoders:
    """Text and image encoding, cached."""

    texts: TextEncoder
    images: ImageEncoder

    @classmethod
    def of(cls, bundle: Bundle) -> Encoders:
        return cls(TextEncoder(bundle), ImageEncoder(bundle))
