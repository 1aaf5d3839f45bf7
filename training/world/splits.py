"""Which personas and products are held out of training: 15 of 100, by digest, so that it never depends on order."""

from __future__ import annotations

import hashlib
from typing import Literal

Split = Literal["train", "held-out"]

HELD_OUT_PERCENT = 15
_SEEDS = 2**31


def digest_number(text: str) -> int:
    """A 64-bit number from text, the same on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def split_of(name: str) -> Split:
    """Split of a named thing, such as "persona 17" or "product matte red and white striped mug"."""
    return "held-out" if digest_number(name) % 100 < HELD_OUT_PERCENT else "train"


def next_seed(seed: int) -> int:
    """The seed to try after ``seed`` when that one belongs to the other split; 0 to 2**31 - 1."""
    return digest_number(f"after {seed}") % _SEEDS
