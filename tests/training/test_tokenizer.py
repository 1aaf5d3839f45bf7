"""Every word that a prompt can hold is one token, and no prompt is longer than the text encoder reads at once."""

from __future__ import annotations

import re
import subprocess
import sys

from training.sizes import Sizes
from training.tokenizer import make_tokenizer
from training.world import pool
from training.world.captions import all_words, caption


def test_known_words_are_single_tokens_and_unknown_ones_fall_apart() -> None:
    tokenizer = make_tokenizer(all_words(), Sizes().positions)
    parts = {part for word in all_words() for part in re.findall(r"[a-z]+", word)}
    assert all(len(tokenizer(part, add_special_tokens=False).input_ids) == 1 for part in parts)
    letters = tokenizer("xqz", add_special_tokens=False).input_ids
    assert len(letters) > 1
    assert tokenizer.eos_token_id not in letters


def test_every_process_numbers_the_words_alike() -> None:
    """Stages of a training run are processes of their own, and share nothing but weights."""
    program = (
        "from training.tokenizer import make_tokenizer;"
        "from training.world.captions import all_words;"
        "print(sorted(make_tokenizer(all_words(), 96).get_vocab().items()))"
    )
    found = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        for _ in range(3)
    }
    assert len(found) == 1


def test_the_longest_captions_fit() -> None:
    tokenizer = make_tokenizer(all_words(), Sizes().positions)
    plan = pool.Plan()
    texts = [caption(pool.shot(plan, number).scene) for number in range(40)]
    assert max(len(found) for found in tokenizer(texts).input_ids) <= Sizes().positions
