"""The three IP-Adapters as modules, on a UNet, and in the files that are published and loaded elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from diffusers.models.embeddings import IPAdapterPlusImageProjection, MultiIPAdapterImageProjection
from torch import Tensor, nn

from generation.bundle.card import ROLES
from training.loop import Models
from training.sizes import Sizes

_DEPTH, _HEAD = 4, 64


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


def attached(unet: UNet2DConditionModel) -> Models:
    """The adapters that ``unet`` uses, as :func:`make_adapters` gives them."""
    layers = [unet.get_submodule(f"{name}.processor") for name in cross_attentions(unet)]
    resamplers = unet.encoder_hid_proj.image_projection_layers
    return nn.ModuleDict({"resamplers": resamplers, "layers": nn.ModuleList(layers)})


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
