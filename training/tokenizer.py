"""A CLIP tokenizer whose vocabulary is the world's words, each a single token; other words fall apart into letters."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from tokenizers import pre_tokenizers
from transformers import CLIPTokenizer

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


def _merges(parts: Sequence[str]) -> list[tuple[str, str]]:
    """Byte-pair merges (Sennrich et al., 2016, arXiv:1508.07909) that join every word, the most frequent pair first and
    the last in the alphabet of those that are equal.

    Spelt out because the trainer of ``tokenizers`` breaks ties by chance: each stage of a training would number the
    words in its own way.
    """
    spelt = [[*part[:-1], part[-1] + "</w>"] for part in parts]
    merges = []
    while pairs := Counter(pair for word in spelt for pair in itertools.pairwise(word)):
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        spelt = [_joined(word, best) for word in spelt]
    return merges


def _joined(word: list[str], pair: tuple[str, str]) -> list[str]:
    """``word`` with every occurrence of ``pair`` as one piece."""
    joined: list[str] = []
    for piece in word:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined
