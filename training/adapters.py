"""Stage 5: the three IP-Adapters (Ye et al., 2023, arXiv:2308.06721), with the UNet and both encoders frozen.

All three are trained at once, each acting in its own region only, as they are used. The reference is never the target's
own picture: the same person in another pose and light, the packshot, the empty place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from diffusers.models.embeddings import IPAdapterPlusImageProjection, MultiIPAdapterImageProjection
from torch import Tensor, nn
from transformers import CLIPVisionModelWithProjection

from generation.bundle_card import ROLES
from training.captions import caption_ids, to_ids
from training.clip import normalised
from training.corpus import CASTING, PACKSHOT, PHOTO, PORTRAIT, SHOT, Corpus
from training.device import Device
from training.diffusion import Noising
from training.latents import encode_corpus, region_shares
from training.loop import Losses, Models, Schedule, train
from training.sizes import Sizes
from training.world.picture import FACE_IDS, PRODUCT_IDS

_NO_IMAGE, _NO_WORDS, _FEW_WORDS = 0.1, 0.05, 0.45
_DEPTH, _HEAD = 4, 64
_PICTURES = 16


def make_adapters(unet: UNet2DConditionModel, sizes: Sizes) -> Models:
    """Resamplers per role ("plus" adapters) and their keys and values for every cross-attention of ``unet``.

    A depth of 4 and heads 64 wide are what diffusers assumes when it loads one.
    """
    width = unet.config.cross_attention_dim
    resamplers = [
        IPAdapterPlusImageProjection(
            embed_dims=sizes.vision,
            output_dims=width,
            hidden_dims=sizes.resampler,
            depth=_DEPTH,
            dim_head=_HEAD,
            heads=sizes.resampler // _HEAD,
            num_queries=sizes.image_tokens,
        )
        for _ in ROLES
    ]
    layers = []
    for name in cross_attentions(unet):
        processor = IPAdapterAttnProcessor2_0(
            unet.get_submodule(name).to_q.out_features, width, num_tokens=(sizes.image_tokens,) * len(ROLES)
        )
        _begin_like_text(processor, unet.get_submodule(name))
        layers.append(processor)
    return nn.ModuleDict({"resamplers": nn.ModuleList(resamplers), "layers": nn.ModuleList(layers)})


def cross_attentions(unet: UNet2DConditionModel) -> list[str]:
    """Names of the cross-attentions in the order in which published adapters number them: 1, 3, 5, ..."""
    return [name.removesuffix(".processor") for name in unet.attn_processors if name.endswith("attn2.processor")]


def _begin_like_text(processor: IPAdapterAttnProcessor2_0, attention: Any) -> None:
    """Keys and values begin as the text's, as in the reference training code of the paper."""
    for ours, texts in ((processor.to_k_ip, attention.to_k), (processor.to_v_ip, attention.to_v)):
        for layer in ours:
            layer.weight.data.copy_(texts.weight.data)


def attach(unet: UNet2DConditionModel, adapters: Models) -> None:
    """Make ``unet`` use ``adapters``."""
    mine = dict(zip(cross_attentions(unet), adapters["layers"], strict=True))
    processors = {
        name: mine.get(name.removesuffix(".processor"), processor) for name, processor in unet.attn_processors.items()
    }
    unet.set_attn_processor(processors)
    unet.encoder_hid_proj = MultiIPAdapterImageProjection(adapters["resamplers"])
    unet.config.encoder_hid_dim_type = "ip_image_proj"


def to_files(adapters: Models) -> dict[str, dict[str, Tensor]]:
    """Tensors per role under the keys of the published "plus" adapters."""
    files: dict[str, dict[str, Tensor]] = {}
    for index, role in enumerate(ROLES):
        tensors = {f"image_proj.{name}": value for name, value in _published(adapters["resamplers"][index]).items()}
        for number, layer in enumerate(adapters["layers"]):
            tensors[f"ip_adapter.{2 * number + 1}.to_k_ip.weight"] = layer.to_k_ip[index].weight
            tensors[f"ip_adapter.{2 * number + 1}.to_v_ip.weight"] = layer.to_v_ip[index].weight
        files[role] = {name: value.detach().half().cpu().contiguous() for name, value in tensors.items()}
    return files


def _published(resampler: nn.Module) -> dict[str, Tensor]:
    """diffusers' weights of a resampler under the names of the files."""
    weights = resampler.state_dict()
    parts: dict[str, list[Tensor]] = {}
    for name, (key, _, _) in _published_names(resampler).items():
        parts.setdefault(key, []).append(weights[name])
    return {key: torch.cat(values) for key, values in parts.items()}


def _published_names(resampler: nn.Module) -> dict[str, tuple[str, int, int]]:
    """diffusers' name of a weight to its name in the files, and which part of how many it is there (keys and values
    lie in one tensor)."""
    found: dict[str, tuple[str, int, int]] = {}
    for name in resampler.state_dict():
        if not name.startswith("layers."):
            found[name] = (name, 0, 1)
            continue
        _, layer, rest = name.split(".", 2)
        kind = rest.rpartition(".")[2]
        if rest.startswith("ln"):
            found[name] = (f"layers.{layer}.0.norm{int(rest[2]) + 1}.{kind}", 0, 1)
        elif rest.startswith(("attn.to_k", "attn.to_v")):
            found[name] = (f"layers.{layer}.0.to_kv.weight", int(rest.startswith("attn.to_v")), 2)
        elif rest.startswith("attn.to_q"):
            found[name] = (f"layers.{layer}.0.to_q.weight", 0, 1)
        elif rest.startswith("attn.to_out"):
            found[name] = (f"layers.{layer}.0.to_out.weight", 0, 1)
        else:
            place = {"ff.0": "0", "ff.1.net.0.proj": "1", "ff.1.net.2": "3"}[rest.rpartition(".")[0]]
            found[name] = (f"layers.{layer}.1.{place}.{kind}", 0, 1)
    return found


def from_files(adapters: Models, files: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Load what :func:`to_files` gave into ``adapters``."""
    for index, role in enumerate(ROLES):
        known = _published_names(adapters["resamplers"][index])
        stored = files[role]
        weights = {
            name: stored[f"image_proj.{key}"].float().chunk(parts)[part] for name, (key, part, parts) in known.items()
        }
        adapters["resamplers"][index].load_state_dict(weights)
        for number, layer in enumerate(adapters["layers"]):
            for kind in ("k", "v"):
                weight = getattr(layer, f"to_{kind}_ip")[index].weight
                weight.data.copy_(stored[f"ip_adapter.{2 * number + 1}.to_{kind}_ip.weight"])


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
) -> None:
    """Train ``adapters`` on a corpus; everything else is frozen."""
    references = find_references(corpus, painter["unet"].config.sample_size)
    latents = encode_corpus(vae, corpus, device, folder.parent / "latents")[:, 0]
    features = image_features(encoder, corpus, device)
    ids = caption_ids(tokenizer, corpus.scenes)[:, :, 0]
    text = painter["text"].to(device.torch).eval().requires_grad_(False)
    unet = painter["unet"].to(device.torch, memory_format=torch.channels_last).eval().requires_grad_(False)
    adapters = adapters.to(device.torch)
    attach(unet, adapters)
    nothing = to_ids(tokenizer, [""])
    noising = Noising(device.torch)
    batch = _PICTURES * (12 if device.fast else 1)

    def losses(_: Models) -> Losses:
        at, rows, masks = references.draw(batch)
        targets = references.targets[at]
        rows = torch.where(torch.rand(batch, 3) < _NO_IMAGE, -1, rows)
        shown = [features[rows[:, role]].float().to(device.torch)[:, None] for role in range(len(ROLES))]
        words = _told(ids[targets], nothing, batch).to(device.torch)
        with torch.no_grad():
            tokens = text(words).last_hidden_state
        clean = latents[targets].float().to(device.torch)
        times = noising.draw_times(batch)
        noised, velocity = noising.apply(clean, torch.randn_like(clean), times)
        found = unet(
            noised.contiguous(memory_format=torch.channels_last),
            times,
            tokens,
            added_cond_kwargs={"image_embeds": shown},
            cross_attention_kwargs={"ip_adapter_masks": list(masks.to(device.torch)[:, :, None].unbind(1))},
            return_dict=False,
        )[0]
        square = (found.float() - velocity).square()
        # The place is most of a picture; face and product must not be drowned by it.
        weight = 1 + 2 * (masks[:, :1] + masks[:, 1:2]).to(square)
        return {"loss": ((square * weight).mean((1, 2, 3)) * noising.weights(times)).mean(), "v-mse": square.mean()}

    train("adapters", adapters, losses, Schedule(minutes, batch, rate=6e-4, mean=0.995), device, folder)


def _told(ids: Tensor, nothing: Tensor, batch: int) -> Tensor:
    """Captions of which some tell little, so that the images are needed: one row of ids per target."""
    full, short = ids[:, 0], ids[:, -1]
    chance = torch.rand(batch, 1)
    told = torch.where(chance < _FEW_WORDS, short, full)
    return torch.where(chance > 1 - _NO_WORDS, nothing, told)
