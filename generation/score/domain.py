"""What a CLIP that was trained on one world knows, so that it says nothing about others.

A bundle whose image encoder was trained on pictures of its own (``[scorers] domain``) keeps some of them as that
encoder sees them. What lies further from all of these than held-out pictures of the same world do is foreign, and so
is a word that no caption had: scores of it would be numbers without meaning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from re import findall

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

KINDS = ("product", "place", "portrait")
"""What is looked at: packshots on white, photos of empty places, portraits."""


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """Attributes:
    known: per kind [n, width], unit vectors of pictures that belong to it.
    limits: per kind the cosine to the nearest of them below which a picture is foreign.
    words: every word of the captions, in small letters.
    """

    known: Mapping[str, Tensor]
    limits: Mapping[str, float]
    words: frozenset[str]

    def is_foreign(self, kind: str, embedding: Tensor) -> bool:
        """Whether a picture, by its embedding [width], is none that the encoder can know."""
        return nearest(self.known[kind], embedding) < self.limits[kind]

    def unknown_word(self, text: str) -> str | None:
        """The first word that no caption had; ``None`` if all are known."""
        return next((word for word in findall(r"[^\W\d_]+", text.lower()) if word not in self.words), None)


def nearest(known: Tensor, embedding: Tensor) -> float:
    """Cosine of ``embedding`` [width] to the nearest of ``known`` [n, width]."""
    return float((known.float() @ functional.normalize(embedding.float().cpu(), dim=-1)).max())


def make_domain(
    known: Mapping[str, Sequence[Tensor]], held_out: Mapping[str, Sequence[Tensor]], words: Sequence[str], share: float
) -> Domain:
    """A domain from embeddings of its pictures, with limits below which a ``share`` of the held-out ones lies."""
    vectors = {
        kind: functional.normalize(torch.stack(list(rows)).float().cpu(), dim=-1) for kind, rows in known.items()
    }
    limits = {
        kind: float(torch.tensor([nearest(vectors[kind], row) for row in rows]).quantile(share))
        for kind, rows in held_out.items()
    }
    return Domain(vectors, limits, frozenset(words))


def save_domain(domain: Domain, folder: Path) -> None:
    """Write ``config.json`` and ``known.safetensors`` (float16)."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"limits": {kind: round(limit, 4) for kind, limit in domain.limits.items()}, "words": sorted(domain.words)}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    save_file({kind: rows.half().contiguous() for kind, rows in domain.known.items()}, folder / "known.safetensors")


def load_domain(folder: Path) -> Domain:
    """What :func:`save_domain` wrote."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return Domain(load_file(folder / "known.safetensors"), config["limits"], frozenset(config["words"]))
