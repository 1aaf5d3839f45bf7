"""What was done, in numbers that cannot be noisy: tests assert them, the service publishes them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """Running totals of one loaded bundle.

    Attributes:
        loads: how often weights were read from disk.
        text_forwards, image_forwards, unet_forwards: calls of the networks (a call takes a whole batch).
        text_hits, image_hits: encodings found in the cache.
        images: pictures made, per stage.
        seconds: wall-clock time, per stage.
    """

    loads: int = 0
    text_forwards: int = 0
    text_hits: int = 0
    image_forwards: int = 0
    image_hits: int = 0
    unet_forwards: int = 0
    images: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)

    def add_seconds(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
