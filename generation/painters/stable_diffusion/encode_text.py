"""Words to features: CLIP text encoding of any length, batched and cached."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from generation.bundle.load import Bundle
from generation.bundle.memory import at_work

_CACHED_TEXTS = 1024


@dataclass(frozen=True, slots=True)
class TextFeatures:
    """A text as the UNet reads it, ``tokens`` [length, width], and as one vector, ``pooled`` [width] (its first chunk;
    projected for SDXL, which is told it too)."""

    tokens: Tensor
    pooled: Tensor


class TextEncoder:
    """The bundle's text encoders with a cache of the last :data:`_CACHED_TEXTS` texts."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._cache: OrderedDict[str, TextFeatures] = OrderedDict()

    def encode(self, texts: Sequence[str]) -> list[TextFeatures]:
        """Features of each text. A text longer than the encoder's window is read in chunks, never cut."""
        new = [text for text in dict.fromkeys(texts) if text not in self._cache]
        self._bundle.counts.text_hits += len(texts) - len(new)
        if new:
            self._cache.update(zip(new, _encode(self._bundle, new), strict=True))
        found = [self._cache[text] for text in texts]
        for text in texts:
            self._cache.move_to_end(text)
        while len(self._cache) > _CACHED_TEXTS:
            self._cache.popitem(last=False)
        return found

    def negative(self, text: str) -> TextFeatures:
        """Features of what to avoid; no words at all are zeros for models that were trained so (SDXL)."""
        features = self.encode([text])[0]
        if text or not self._bundle.zero_negative:
            return features
        return TextFeatures(torch.zeros_like(features.tokens), torch.zeros_like(features.pooled))


@torch.inference_mode()
def _encode(bundle: Bundle, texts: Sequence[str]) -> list[TextFeatures]:
    per_encoder = [
        _encode_with(bundle, tokenizer, encoder, texts)
        for tokenizer, encoder in zip(bundle.tokenizers, bundle.text_encoders, strict=True)
    ]
    if bundle.card.family == "sd15":
        return [TextFeatures(tokens, pooled) for tokens, pooled in per_encoder[0]]
    # SDXL joins both encoders' features and takes the pooled vector of the second.
    return [
        TextFeatures(torch.cat([first[0], second[0]], dim=-1), second[1])
        for first, second in zip(*per_encoder, strict=True)
    ]


def _encode_with(bundle: Bundle, tokenizer: Any, encoder: Any, texts: Sequence[str]) -> list[tuple[Tensor, Tensor]]:
    """Per text its tokens' features [length, width] and the pooled vector of its first chunk."""
    window = min(tokenizer.model_max_length, encoder.config.max_position_embeddings)
    chunks = [chunk_tokens(tokenizer, text, window) for text in texts]
    ids = torch.tensor([ids for text in chunks for ids in text], device=bundle.device)
    two = bundle.card.family == "sdxl"
    with at_work(encoder, bundle.device, bundle.plan.encoders_away):
        output = encoder(ids, output_hidden_states=two)
    bundle.counts.text_forwards += 1
    hidden = output.hidden_states[-2] if two else output[0]
    pooled = output["text_embeds"] if "text_embeds" in output else output["pooler_output"]
    lengths = [len(text) for text in chunks]
    parts = zip(hidden.split(lengths), pooled.split(lengths), strict=True)
    return [(tokens.flatten(0, 1), vectors[0]) for tokens, vectors in parts]


def chunk_tokens(tokenizer: Any, text: str, window: int) -> list[list[int]]:
    """Token ids of ``text`` in chunks of exactly ``window``, each with its own start, end and padding.

    A chunk ends after a comma where there is one in its second half, so that phrases stay whole.
    """
    ids: list[int] = tokenizer(text, add_special_tokens=False, truncation=False, verbose=False).input_ids
    commas = set(tokenizer(",", add_special_tokens=False).input_ids)
    room = window - 2
    chunks: list[list[int]] = []
    while ids or not chunks:
        end = len(ids) if len(ids) <= room else room
        if len(ids) > room:
            end = next((at for at in range(room, room // 2, -1) if ids[at - 1] in commas), room)
        chunk, ids = ids[:end], ids[end:]
        padding = [tokenizer.pad_token_id] * (room - len(chunk))
        chunks.append([tokenizer.bos_token_id, *chunk, tokenizer.eos_token_id, *padding])
    return chunks


def stack_texts(features: Sequence[TextFeatures]) -> tuple[Tensor, Tensor | None]:
    """Texts of different lengths as one batch.

    Returns:
        Tokens [n, longest, width], and a mask [n, longest] with 1 at real tokens, so that a text's picture does not
        depend on its neighbours' lengths; ``None`` if all are equally long.
    """
    lengths = [item.tokens.shape[0] for item in features]
    tokens = torch.nn.utils.rnn.pad_sequence([item.tokens for item in features], batch_first=True)
    if len(set(lengths)) == 1:
        return tokens, None
    place = torch.arange(tokens.shape[1], device=tokens.device)
    return tokens, (place[None] < torch.tensor(lengths, device=tokens.device)[:, None]).to(tokens.dtype)
