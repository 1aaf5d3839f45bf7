"""A checkpoint as one file, in the names of the original code, made from a folder in the diffusers layout."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_UNET = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}
_VAE = {
    "conv_norm_out": "norm_out",
    "conv_shortcut": "nin_shortcut",
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
    "mid_block.attentions.0": "mid.attn_1",
}
_VAE_ATTENTION = {
    "group_norm": "norm",
    "query": "q",
    "key": "k",
    "value": "v",
    "proj_attn": "proj_out",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}
_OPEN_CLIP = {
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm": "ln_final",
    "text_model.encoder.layers": "transformer.resblocks",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def write_single_file(folder: Path, file: Path) -> Path:
    """Write the Stable Diffusion 1.x or SDXL model in ``folder`` as one checkpoint file."""
    xl = (folder / "text_encoder_2").is_dir()
    unet = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    vae = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    text = load_file(folder / "text_encoder" / "model.safetensors")
    tensors = {f"model.diffusion_model.{_unet_name(key, xl=xl)}": value for key, value in unet.items()}
    for key, value in vae.items():
        name = _vae_name(key)
        square = ".attn_1." in name and value.ndim == 2
        tensors[f"first_stage_model.{name}"] = value[..., None, None].contiguous() if square else value
    first = "conditioner.embedders.0.transformer" if xl else "cond_stage_model.transformer"
    tensors |= {f"{first}.{key}": value for key, value in text.items()}
    if xl:
        second = _open_clip(load_file(folder / "text_encoder_2" / "model.safetensors"))
        tensors |= {f"conditioner.embedders.1.model.{key}": value for key, value in second.items()}
    save_file({key: value.clone() for key, value in tensors.items()}, file, metadata={"format": "pt"})
    return file


def _open_clip(text: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The second text encoder under its original names: queries, keys and values in one tensor."""
    made: dict[str, torch.Tensor] = {}
    for key, value in text.items():
        if key.endswith("position_ids"):
            continue
        if key == "text_projection.weight":
            made["text_projection"] = value.T.contiguous()
            continue
        name = key
        for ours, original in _OPEN_CLIP.items():
            name = name.replace(ours, original)
        if ".self_attn.q_proj." in key:
            parts = [text[key.replace("q_proj", f"{each}_proj")] for each in "qkv"]
            what = "weight" if key.endswith("weight") else "bias"
            made[name.split("self_attn")[0] + f"attn.in_proj_{what}"] = torch.cat(parts)
        elif "self_attn" not in name:
            made[name] = value
    return made


def _unet_name(key: str, *, xl: bool) -> str:
    for ours, original in _UNET.items():
        key = re.sub(rf"^{re.escape(ours)}\.", f"{original}.", key)
    if match := re.match(r"(down|up)_blocks\.(\d)\.(resnets|attentions)\.(\d)\.", key):
        side, block, kind, layer = match[1], int(match[2]), match[3], int(match[4])
        number = 3 * block + layer + (side == "down")
        group = "input_blocks" if side == "down" else "output_blocks"
        key = f"{group}.{number}.{int(kind == 'attentions')}.{key[match.end() :]}"
    if match := re.match(r"down_blocks\.(\d)\.downsamplers\.0\.conv\.", key):
        key = f"input_blocks.{3 * (int(match[1]) + 1)}.0.op.{key[match.end() :]}"
    if match := re.match(r"up_blocks\.(\d)\.upsamplers\.0\.", key):
        key = f"output_blocks.{3 * int(match[1]) + 2}.{1 if match[1] == '0' and not xl else 2}.{key[match.end() :]}"
    for ours, original in _RESNET.items():
        key = re.sub(rf"((?:put_blocks\.\d+|middle_block)\.\d\.){ours}\.", rf"\1{original}.", key)
    return key


def _vae_name(key: str) -> str:
    for ours, original in _VAE.items():
        key = key.replace(f"{ours}.", f"{original}.")
    key = re.sub(r"encoder\.down_blocks\.(\d)\.", r"encoder.down.\1.", key)
    key = re.sub(r"decoder\.up_blocks\.(\d)\.", lambda m: f"decoder.up.{3 - int(m[1])}.", key)
    key = key.replace(".resnets.", ".block.").replace(".downsamplers.0.", ".downsample.")
    key = key.replace(".upsamplers.0.", ".upsample.")
    if ".attn_1." in key:
        for ours, original in _VAE_ATTENTION.items():
            key = key.replace(f".{ours}.", f".{original}.")
    return key


def same(ours: torch.nn.Module, theirs: torch.nn.Module) -> bool:
    """Whether two modules hold the same values under the same names."""
    left, right = ours.state_dict(), theirs.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)
