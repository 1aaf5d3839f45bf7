"""How far a picture shows what was asked in words: by a SigLIP 2 or CLIP of photographs that a bundle names as
``[source] words``, whose own logits tell what a cosine means."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from cachetools import LRUCache
from PIL import Image
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional
from transformers import AutoModel, CLIPImageProcessorPil, CLIPTokenizer, SiglipImageProcessorPil

from generation.bundle.card import BundleError
from generation.bundle.memory import on_device
from generation.painters.stable_diffusion.encoders import pad_to_square

_CACHED_TEXTS = 1024
_KINDS = ("siglip", "clip")


class WordsModel:
    """Implements :class:`generation.score.scoring_models.Clip` for photographs.

    Args:
        folder: as published: ``config.json``, ``model.safetensors``, the tokenizer and ``preprocessor_config.json``.
        away: the model lies in main memory and comes to ``device`` for each run.

    Raises:
        BundleError: it is of another kind, or a file is missing or damaged.
    """

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype, *, away: bool = False) -> None:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
        if kind not in _KINDS:
            raise BundleError(f"{folder} holds a {kind!r}; [source] words needs a SigLIP 2 of fixed size, or a CLIP")
        try:
            safe: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, "dtype": dtype}
            self._model = AutoModel.from_pretrained(folder, **safe).eval().requires_grad_(False)
            self._tokens, self._window = _siglip_tokens(folder) if kind == "siglip" else _clip_tokens(folder)
            processor = SiglipImageProcessorPil if kind == "siglip" else CLIPImageProcessorPil
            self._processor = processor.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise BundleError(f"the model of [source] words in {folder} cannot be loaded: {error}") from error
        self._device, self._away = device, away
        self._model.to("cpu" if away else device)
        self._known: LRUCache[str, Tensor] = LRUCache(_CACHED_TEXTS)

    @property
    def steepness(self) -> float:
        """Logits per cosine."""
        return float(self._model.logit_scale.float().exp())

    @property
    def scale(self) -> dict[str, float] | None:
        """``middle`` and ``steepness`` by which a cosine is the probability that picture and words belong together:
        SigLIP is trained to say it (Zhai et al., 2023, arXiv:2303.15343). A CLIP's logits tell words apart and no more,
        so ``None``: the bundle's card brings a scale, or one is found (:mod:`generation.score.scales`)."""
        bias = getattr(self._model, "logit_bias", None)
        return None if bias is None else {"middle": -float(bias) / self.steepness, "steepness": self.steepness}

    @torch.inference_mode()
    def images(self, images: Sequence[Image.Image]) -> list[Tensor]:
        """Unit vectors [width]; what is not square is padded, so that nothing of it is cropped away."""
        shown = self._processor([pad_to_square(image) for image in images], return_tensors="pt").pixel_values
        with on_device(self._model, self._device, self._away):
            found = self._model.get_image_features(pixel_values=shown.to(self._device, self._model.dtype))
        return list(functional.normalize(_vectors(found), dim=-1).cpu())

    @torch.inference_mode()
    def words(self, texts: Sequence[str]) -> list[Tensor]:
        """Mean of the unit vectors [width] of a text's parts; only a text longer than the window has several."""
        for text in texts:
            if text not in self._known:
                ids = torch.tensor([self._tokens(part)[: self._window] for part in self.parts(text)])
                with on_device(self._model, self._device, self._away):
                    found = self._model.get_text_features(input_ids=ids.to(self._device))
                self._known[text] = functional.normalize(_vectors(found), dim=-1).mean(0).cpu()
        return [self._known[text] for text in texts]

    def parts(self, text: str) -> list[str]:
        """``text`` in parts that each fit into the window, cut at commas where there are some, else between words."""
        parts = [""]
        for phrase in (piece.strip() for piece in text.split(",")):
            for piece in [phrase] if self._fits(phrase) else phrase.split():
                joined = f"{parts[-1]}{', ' if piece is phrase and parts[-1] else ' '}{piece}".strip()
                if self._fits(joined):
                    parts[-1] = joined
                else:
                    parts.append(piece)
        return [part for part in parts if part] or [""]

    def _fits(self, text: str) -> bool:
        return len(self._tokens(text)) <= self._window


def _vectors(found: Any) -> Tensor:
    return (found if isinstance(found, Tensor) else found.pooler_output).float()


def _siglip_tokens(folder: Path) -> tuple[Callable[[str], list[int]], int]:
    """Token ids as SigLIP 2 was trained: small letters, the end, then padding up to 64."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    end, pad = tokenizer.token_to_id("<eos>"), tokenizer.token_to_id("<pad>")
    if end is None or pad is None:
        raise ValueError("its tokenizer has no <eos> and <pad>, as SigLIP 2's has")
    window = int(json.loads((folder / "config.json").read_text())["text_config"].get("max_position_embeddings", 64))

    def tokens(text: str) -> list[int]:
        ids = [*tokenizer.encode(text.lower(), add_special_tokens=False).ids, end]
        return ids + [pad] * (window - len(ids))

    return tokens, window


def _clip_tokens(folder: Path) -> tuple[Callable[[str], list[int]], int]:
    tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    window = int(tokenizer.model_max_length)

    def tokens(text: str) -> list[int]:
        ids: list[int] = tokenizer(text, truncation=False, verbose=False).input_ids
        return ids + [tokenizer.pad_token_id] * (window - len(ids))

    return tokens, window
