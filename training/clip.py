"""Stage ``clip``: the image encoder, against the bundle's own text encoder, to know a person or product again.

The text encoder is locked, as in LiT (Zhai et al., 2022, arXiv:2111.07991): it already serves the UNet, and only a
projection of its last token into the shared space is learnt.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from training.captions import caption_ids
from training.corpus import PACKSHOT, PHOTO, SHOT, Corpus
from training.device import Device
from training.faces import FIELDS, face_labels
from training.loop import Losses, Models, Schedule, train
from training.reader import Pairs
from training.sizes import Sizes
from training.world.personas import IDENTITY_SIZE

_TEMPERATURE = 0.07
_MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
_DEVIATION = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
_PAIRS = 32


def make_image_encoder(sizes: Sizes) -> CLIPVisionModelWithProjection:
    """A small ViT of 16-pixel patches, SD's pixel normalisation."""
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=sizes.vision,
            intermediate_size=4 * sizes.vision,
            num_hidden_layers=sizes.vision_layers,
            num_attention_heads=max(1, sizes.vision // 32),
            image_size=sizes.pixels,
            patch_size=sizes.vision_patch,
            projection_dim=sizes.joint,
            hidden_act="gelu",
        )
    )


def normalised(pixels: Tensor) -> Tensor:
    """Pixels in -1 to 1 as CLIP's image processor gives them."""
    return (pixels / 2 + 0.5 - _MEAN.to(pixels)) / _DEVIATION.to(pixels)


class Heads(nn.Module):
    """What the features next to last must tell, so that adapters find it there: bones, features, product's and place's
    number; and the projection of the text's last token."""

    def __init__(self, sizes: Sizes, things: int, places: int) -> None:
        super().__init__()
        self.text = nn.Linear(sizes.words, sizes.joint, bias=False)
        self.bones = nn.Linear(sizes.vision, IDENTITY_SIZE)
        self.features = nn.Linear(sizes.vision, sum(len(values) for values in FIELDS.values()))
        self.things = nn.Linear(sizes.vision, max(1, things))
        self.places = nn.Linear(sizes.vision, max(1, places))


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What is known of every picture of a corpus: features [n, fields], bones [n, 16] with ``seen`` [n], captions."""

    labels: Tensor
    bones: Tensor
    seen: Tensor
    ids: Tensor


def tell(corpus: Corpus, tokenizer: Any) -> Told:
    labels = torch.full((len(corpus), len(FIELDS)), -100)
    bones = torch.zeros(len(corpus), IDENTITY_SIZE)
    seen = corpus.people >= 0
    rows = seen.nonzero()[:, 0]
    labels[rows] = face_labels(corpus, rows)
    for row in rows.tolist():
        bones[row] = torch.as_tensor(corpus.scenes[row].persona.identity)
    return Told(labels, bones, seen, caption_ids(tokenizer, corpus.scenes)[:, 0, 0])


def train_clip(
    encoder: CLIPVisionModelWithProjection,
    heads: Heads,
    text: nn.Module,
    corpus: Corpus,
    tokenizer: Any,
    device: Device,
    folder: Path,
    minutes: float,
) -> None:
    """Train ``encoder`` and ``heads`` on pairs of pictures that share a person, a product or a place."""
    told = tell(corpus, tokenizer)
    groups = [Pairs(_known(column)) for column in (corpus.people, corpus.things, corpus.places)]
    where = [(column >= 0).nonzero()[:, 0] for column in (corpus.people, corpus.things, corpus.places)]
    text = text.to(device.torch).eval().requires_grad_(False)
    models = nn.ModuleDict({"vision": encoder, "heads": heads}).to(device.torch)
    count = _PAIRS * (8 if device.fast else 1)

    def losses(models: Models) -> Losses:
        parts = [
            where[kind][groups[kind].draw(share)] for kind, share in enumerate((count // 2, count // 4, count // 4))
        ]
        rows = torch.cat(parts)
        pixels = _varied(corpus.pixels(rows)).to(device.torch)
        out = models["vision"](normalised(pixels), output_hidden_states=True)
        with torch.no_grad():
            words = text(told.ids[rows].to(device.torch)).pooler_output
        matched = _match(out.image_embeds, models["heads"].text(words))
        known = _known_loss(models["heads"], out.hidden_states[-2], corpus, told, rows)
        return {"loss": matched + known, "match": matched, "known": known}

    train("clip", models, losses, Schedule(minutes, 2 * count, rate=1e-3, mean=0.995), device, folder)


def _known(column: Tensor) -> Tensor:
    return column[column >= 0]


def _varied(pixels: Tensor) -> Tensor:
    """Shifted by a few pixels and relit, for pictures at run time are never framed alike."""
    down, right = torch.randint(-8, 9, (2,)).tolist()
    gain = 1 + 0.1 * (2 * torch.rand(len(pixels), 3, 1, 1) - 1)
    return (pixels.roll((down, right), (2, 3)) * gain).clamp(-1, 1)


def _match(images: Tensor, words: Tensor) -> Tensor:
    """CLIP's symmetric loss (Radford et al., 2021, arXiv:2103.00020)."""
    scores = functional.normalize(images.float(), dim=1) @ functional.normalize(words.float(), dim=1).T / _TEMPERATURE
    own = torch.arange(len(scores), device=scores.device)
    return (functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)) / 2


def _known_loss(heads: Any, hidden: Tensor, corpus: Corpus, told: Told, rows: Tensor) -> Tensor:
    """Features, bones, product and place, read from the patches' mean of the layer that adapters are shown."""
    mean = hidden.float().mean(1)
    device = mean.device
    sizes = [len(values) for values in FIELDS.values()]
    labels = told.labels[rows].to(device)
    seen = told.seen[rows].to(device)
    total = functional.mse_loss(heads.bones(mean)[seen], told.bones[rows].to(device)[seen])
    for index, logits in enumerate(heads.features(mean).split(sizes, dim=1)):
        if bool((labels[:, index] >= 0).any()):
            total = total + functional.cross_entropy(logits, labels[:, index], ignore_index=-100) / len(sizes)
    for head, column in ((heads.things, corpus.things), (heads.places, corpus.places)):
        wanted = column[rows].to(device)
        if bool((wanted >= 0).any()):
            total = total + 0.3 * functional.cross_entropy(head(mean), wanted, ignore_index=-1)
    return total


@torch.no_grad()
def embed(encoder: CLIPVisionModelWithProjection, corpus: Corpus, rows: Tensor, device: Device) -> Tensor:
    """Unit embeddings [rows, joint] of pictures of a corpus."""
    found = [
        encoder(normalised(corpus.pixels(part).to(device.torch))).image_embeds.float().cpu() for part in rows.split(64)
    ]
    return functional.normalize(torch.cat(found), dim=1)


def retrieval(encoder: CLIPVisionModelWithProjection, corpus: Corpus, device: Device) -> dict[str, float]:
    """Top-1 retrieval on a corpus: the packshot from a shot of the product, the photo from a shot in the place."""
    found = {}
    for name, kind, column in (("product", PACKSHOT, corpus.things), ("place", PHOTO, corpus.places)):
        shots, library = corpus.rows(SHOT), corpus.rows(kind)
        likeness = embed(encoder, corpus, shots, device) @ embed(encoder, corpus, library, device).T
        found[name] = float((column[library][likeness.argmax(1)] == column[shots]).float().mean())
    return found
