"""A CLIP tokenizer whose vocabulary is the world's words, each a single token; other words fall apart into letters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

_PIECES = r"[\p{L}]+|[^\s\p{L}]+"
_LARGEST = 20_000
_START, _END = "<|startoftext|>", "<|endoftext|>"


def make_tokenizer(words: Iterable[str], positions: int) -> CLIPTokenizer:
    """Train byte-pair merges until every one of ``words`` is one token.

    Args:
        words: lower-case; the parts of hyphenated words are tokens of their own.
        positions: longest text in tokens, start and end included.

    Raises:
        ValueError: a word did not become a single token.
    """
    parts = sorted({part for word in words for part in re.findall(r"[a-z]+", word)})
    merges = _merges(parts)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in merges), _START, _END]
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=positions)  # type: ignore[arg-type]
    split = [part for part in parts if len(tokenizer(part, add_special_tokens=False).input_ids) != 1]
    if split:
        raise ValueError(f"{split[0]!r} is not one token")
    return tokenizer


def _merges(parts: list[str]) -> list[tuple[str, str]]:
    model = Tokenizer(models.BPE(unk_token=_END, end_of_word_suffix="</w>"))
    model.pre_tokenizer = pre_tokenizers.Split(Regex(_PIECES), "isolated")
    trainer = trainers.BpeTrainer(
        vocab_size=_LARGEST, min_frequency=1, end_of_word_suffix="</w>", special_tokens=[], show_progress=False
    )
    # Three times each, or a word that is part of no other would count too little to be merged to its end.
    model.train_from_iterator([part for part in parts for _ in range(3)], trainer)
    found = json.loads(model.to_str())["model"]["merges"]
    return [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in found]
