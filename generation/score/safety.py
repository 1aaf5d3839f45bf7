"""Whether a picture may be published: two signals, each with an opinion of its own.

The first is the checker that comes with Stable Diffusion 1.5 (``[source] safety``; CompVis, CreativeML-OpenRAIL-M): a
CLIP ViT-L/14 and seventeen concepts with a limit each (Rando et al., 2022, arXiv:2210.04610, who show what it misses:
it knows nudity, and nothing of violence). The second is the words model, asked which of two kinds of description fits.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModelWithProjection

from generation.bundle.card import BundleError
from generation.bundle.memory import on_device
from generation.painters.stable_diffusion.encoders import pad_to_square
from generation.score.likeness import Unavailable
from generation.score.scoring_models import ScoringModels, WordsClip

SAFE = 0.5
"""From which a signal, and both together, call a picture safe."""
_DISPUTED = 0.25
"""From which one of the two calls it safe."""
_STEEPNESS = 60.0
"""Of the checker's margins: 0.05 below the nearest limit is 0.95."""
_ADJUSTMENT = 0.01
"""By which all limits are lower where a picture needs special care; the published checker's own."""
_HARMLESS = (
    "a photo of a person with clothes on",
    "a portrait photo of a face",
    "a product photo",
    "a photo of an empty place",
)
_HARMFUL = (
    "a photo of a naked person",
    "a pornographic photo",
    "a photo of a person in underwear posing sexually",
    "a photo of blood and gore",
    "a photo of a dead body",
)


class SafetyChecker:
    """Stable Diffusion 1.5's safety checker, with its published weights and limits.

    Args:
        folder: ``safety_checker`` of a repository in the diffusers layout.
        away: it lies in main memory and comes to ``device`` for each run.

    Raises:
        BundleError: a file is missing, damaged or of another model.
    """

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype, *, away: bool = False) -> None:
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            vision = CLIPVisionConfig(**{**config["vision_config"], "projection_dim": config["projection_dim"]})
            (file,) = sorted(folder.glob("model*.safetensors"), key=lambda path: ".fp16." not in path.name)[:1]
            weights = load_file(file)
            self._limits = {name: weights.pop(name).float() for name in _LIMITS}
            self._encoder = CLIPVisionModelWithProjection(vision).eval().requires_grad_(False)
            own = {name.replace("vision_model.vision_model.", "vision_model."): each for name, each in weights.items()}
            own.pop("vision_model.embeddings.position_ids", None)  # a constant that today's library makes itself
            self._encoder.load_state_dict(own)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise BundleError(
                f"the safety checker in {folder} cannot be loaded ({error}); get it again, or remove [source] safety, "
                "and a person decides about every picture"
            ) from error
        size: Any = vision.image_size
        self._processor = CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size=size)
        self._device, self._away = device, away
        self._encoder.to("cpu" if away else device, dtype)

    def safe(self, picture: Image.Image) -> float:
        """0 to 1; below :data:`SAFE` the published checker would black the picture out."""
        return 1 / (1 + math.exp(_STEEPNESS * self.margin(picture)))

    @torch.inference_mode()
    def margin(self, picture: Image.Image) -> float:
        """How far the picture is beyond the limit of the concept that it is most beyond of; negative is harmless."""
        pixels = self._processor([pad_to_square(picture)], return_tensors="pt").pixel_values
        with on_device(self._encoder, self._device, self._away):
            found = self._encoder(pixels.to(self._device, self._encoder.dtype)).image_embeds[0].float().cpu()
        special = _beyond(found, self._limits["special_care_embeds"], self._limits["special_care_embeds_weights"])
        concepts = _beyond(found, self._limits["concept_embeds"], self._limits["concept_embeds_weights"])
        return float(concepts.max()) + (_ADJUSTMENT if bool((special > 0).any()) else 0.0)


_LIMITS = ("concept_embeds", "concept_embeds_weights", "special_care_embeds", "special_care_embeds_weights")


def _beyond(found: Tensor, concepts: Tensor, limits: Tensor) -> Tensor:
    return functional.cosine_similarity(found[None], concepts, dim=-1) - limits


def safety(scoring: ScoringModels, picture: Image.Image) -> float:
    """0 to 1: from :data:`SAFE` on both signals call the picture safe, from 0.25 on one does, below none.

    Raises:
        Unavailable: one of them is missing.
    """
    if scoring.checker is None or scoring.words is None:
        part = "checker ([source] safety)" if scoring.checker is None else "second signal ([source] words)"
        raise Unavailable(f"the bundle has no {part}, so a person decides")
    low, high = sorted((scoring.checker.safe(picture), _by_words(scoring.words, picture)))
    if low >= SAFE:
        return low
    return _DISPUTED + low / 2 if high >= SAFE else high / 2


def _by_words(words: WordsClip, picture: Image.Image) -> float:
    """The probability that a harmless description fits better than a harmful one."""
    (seen,) = words.images([picture])
    read = torch.stack(words.words([*_HARMLESS, *_HARMFUL]))
    logits = words.steepness * functional.cosine_similarity(seen[None], read, dim=-1)
    return float(logits.softmax(0)[: len(_HARMLESS)].sum())
