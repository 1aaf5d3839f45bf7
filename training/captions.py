"""Captions as token ids, several per picture and for both of its mirror images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.world.captions import caption, flip_caption
from training.world.scene import Scene

FULL, SHORT = 3, 1
"""Captions per picture that tell every feature, and that leave some out."""


def to_ids(tokenizer: Any, texts: Sequence[str]) -> Tensor:
    """[n, positions], padded as at run time."""
    found = tokenizer(list(texts), padding="max_length", truncation=True, max_length=tokenizer.model_max_length)
    return torch.tensor(found.input_ids)


def caption_ids(tokenizer: Any, scenes: Sequence[Scene], seed: int = 0) -> Tensor:
    """Token ids [n, FULL + SHORT, 2, positions]; the third axis is the picture and its mirror image."""
    rng = np.random.default_rng(seed)
    texts = [caption(scene, None if turn < FULL else rng) for scene in scenes for turn in range(FULL + SHORT)]
    ids = torch.stack([to_ids(tokenizer, texts), to_ids(tokenizer, [flip_caption(text) for text in texts])], 1)
    return ids.view(len(scenes), FULL + SHORT, 2, -1)
