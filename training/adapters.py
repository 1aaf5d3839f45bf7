"""Stage ``adapters``: three IP-Adapters (Ye et al., 2023, arXiv:2308.06721), the rest frozen.

All three are trained at once, each acting in its own region only, as they are used. The reference is never the target's
own picture: the same person in another pose and light, the packshot, the empty place.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny
from torch import Tensor
from transformers import CLIPVisionModelWithProjection

from generation.bundle.card import ROLES
from training.adapter_files import attach
from training.captions import caption_ids, to_ids
from training.clip import normalised
from training.corpus import CASTING, PACKSHOT, PHOTO, PORTRAIT, SHOT, Corpus
from training.device import Device
from training.diffusion import Noising
from training.latents import channel_weights, encode_corpus, region_shares
from training.loop import Losses, Models, Schedule, train
from training.peers import Peers
from training.world.picture import FACE_IDS, PRODUCT_IDS

_NO_IMAGE, _NO_WORDS, _FEW_WORDS = 0.1, 0.4, 0.3
"""The paper leaves words out for 1 in 20. Captions of this world tell nearly all, so that short of a GPU's patience an
adapter would learn little beside them."""
_PICTURES = 16


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """For every target (shots and portraits): candidates for its face, its packshot and its photo, as rows of a corpus
    (-1 for none), and the share of each latent pixel that belongs to each role [n, roles, h, w]."""

    targets: Tensor
    faces: list[Tensor]
    packshots: Tensor
    photos: Tensor
    masks: Tensor

    def draw(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Positions among the targets [n], rows of their references [n, roles], masks [n, roles, h, w]."""
        at = torch.randint(len(self.targets), (count,))
        rows = torch.stack([self._face(at), self.packshots[at], self.photos[at]], 1)
        return at, rows, self.masks[at]

    def _face(self, at: Tensor) -> Tensor:
        chosen = []
        for place in at.tolist():
            others = self.faces[place]
            chosen.append(int(others[torch.randint(len(others), ())]) if len(others) else -1)
        return torch.tensor(chosen)


def find_references(corpus: Corpus, edge: int) -> References:
    """References of every shot and portrait of a corpus."""
    targets = torch.cat([corpus.rows(SHOT), corpus.rows(PORTRAIT), corpus.rows(CASTING)])
    alone = corpus.rows(CASTING, PORTRAIT)
    by_person: dict[int, list[int]] = {}
    for row in alone.tolist():
        by_person.setdefault(int(corpus.people[row]), []).append(row)
    faces = [
        torch.tensor([row for row in by_person.get(int(corpus.people[target]), []) if row != target], dtype=torch.long)
        for target in targets.tolist()
    ]
    # A person of whom there is one picture only has no other reference: no target for the face adapter.
    use = torch.tensor(
        [len(found) > 0 or int(corpus.people[row]) < 0 for row, found in zip(targets.tolist(), faces, strict=True)]
    )
    targets, faces = targets[use], [found for found, good in zip(faces, use.tolist(), strict=True) if good]
    shares = [region_shares(corpus, materials, edge)[targets] for materials in (FACE_IDS, PRODUCT_IDS)]
    masks = torch.cat([*shares, 1 - shares[0] - shares[1]], 1)
    packshots, photos = corpus.rows(PACKSHOT), corpus.rows(PHOTO)
    return References(
        targets,
        faces,
        _row_of(corpus.things[targets], corpus.things[packshots], packshots),
        _row_of(corpus.places[targets], corpus.places[photos], photos),
        masks,
    )


def _row_of(numbers: Tensor, known: Tensor, rows: Tensor) -> Tensor:
    table = dict(zip(known.tolist(), rows.tolist(), strict=True))
    return torch.tensor([table.get(number, -1) for number in numbers.tolist()])


@torch.no_grad()
def image_features(encoder: Any, corpus: Corpus, device: Device) -> Tensor:
    """Features next to last of every picture and, as the last row, of no picture: [n + 1, tokens, width], float16."""
    found = []
    encoder = encoder.to(device.torch).eval()
    for rows in torch.arange(len(corpus)).split(64):
        shown = normalised(corpus.pixels(rows).to(device.torch))
        found.append(encoder(shown, output_hidden_states=True).hidden_states[-2].half().cpu())
    edge = encoder.config.image_size
    nothing = encoder(torch.zeros(1, 3, edge, edge, device=device.torch), output_hidden_states=True)
    return torch.cat([*found, nothing.hidden_states[-2].half().cpu()])


def train_adapters(
    adapters: Models,
    painter: Models,
    encoder: CLIPVisionModelWithProjection,
    vae: AutoencoderTiny,
    corpus: Corpus,
    tokenizer: Any,
    device: Device,
    folder: Path,
    minutes: float,
    peers: Peers,
) -> None:
    """Train ``adapters`` on a corpus; everything else is frozen."""
    references = find_references(corpus, painter["unet"].config.sample_size)
    latents = encode_corpus(vae, corpus, device, folder.parent / "latents")[:, 0]
    features = image_features(encoder, corpus, device)
    ids = caption_ids(tokenizer, corpus.scenes)[:, :, 0]
    text = painter["text"].to(device.torch).eval().requires_grad_(False)
    unet = painter["unet"].to(device.torch, memory_format=torch.channels_last).eval().requires_grad_(False)
    attach(unet, adapters.to(device.torch))
    nothing, noising = to_ids(tokenizer, [""]), Noising(device.torch)
    channels = channel_weights(vae, latents[:, None], device).to(device.torch)
    batch = _PICTURES * (12 if device.fast else 1)

    def losses(_: Models) -> Losses:
        at, rows, masks = references.draw(batch)
        targets, masks = references.targets[at], masks.to(device.torch)
        rows = torch.where(torch.rand(batch, len(ROLES)) < _NO_IMAGE, -1, rows)
        with torch.no_grad():
            tokens = text(_told(ids[targets], nothing).to(device.torch)).last_hidden_state
        times = noising.draw_times(batch)
        clean = latents[targets].float().to(device.torch)
        noised, velocity = noising.apply(clean, torch.randn_like(clean), times)
        shown = [features[rows[:, role]].float().to(device.torch)[:, None] for role in range(len(ROLES))]
        square = (_predicted(unet, noised, times, tokens, shown, masks).float() - velocity).square()
        # The place is most of a picture; face and product must not be drowned by it.
        weight = (1 + 2 * (masks[:, :1] + masks[:, 1:2])) * channels
        return {"loss": ((square * weight).mean((1, 2, 3)) * noising.weights(times)).mean(), "v-mse": square.mean()}

    train("adapters", adapters, losses, Schedule(minutes, batch, 6e-4, mean=0.995), device, folder, peers=peers)


def _predicted(unet: Any, noised: Tensor, times: Tensor, tokens: Tensor, shown: list[Tensor], masks: Tensor) -> Tensor:
    """The UNet's prediction with every adapter in its region; ``masks`` [n, roles, h, w]."""
    found: Tensor = unet(
        noised.contiguous(memory_format=torch.channels_last),
        times,
        tokens,
        added_cond_kwargs={"image_embeds": shown},
        cross_attention_kwargs={"ip_adapter_masks": list(masks[:, :, None].unbind(1))},
        return_dict=False,
    )[0]
    return found


def _told(ids: Tensor, nothing: Tensor) -> Tensor:
    """Captions of which some tell little, so that the images are needed: one row of ids per target."""
    full, short = ids[:, 0], ids[:, -1]
    chance = torch.rand(len(ids), 1)
    told = torch.where(chance < _FEW_WORDS, short, full)
    return torch.where(chance > 1 - _NO_WORDS, nothing, told)
