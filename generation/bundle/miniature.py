"""Stand-in bundles: the real file layout of an SD 1.5 or SDXL bundle with tiny random weights, built in seconds.

They prove that everything runs, and nothing else: their pictures show noise, and ``stand_in = true`` says so to every
reader of the bundle. ``python -m generation.bundle.miniature FOLDER`` writes one.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import (
    CLIPImageProcessorPil,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from brief.types import Threshold
from generation.bundle.card import BundleCard, hash_files, write_card

_CROSS = {"sd15": 48, "sdxl": 96}
_VISION, _PROJECTION, _EDGE = 40, 32, 32
_THRESHOLDS = {
    "sharpness": Threshold(accept=0.3, review=0.1),
    "exposure": Threshold(accept=0.3, review=0.1),
    "product": Threshold(accept=0.8, review=0.6),
}
_TEXT_PROJECTION = "scorers/text_projection.safetensors"
_LAYER_NORM = ("weight", "bias")


def build(
    folder: Path,
    *,
    family: str = "sd15",
    size: int = 64,
    seed: int = 0,
    completes: bool = False,
    judged: bool = False,
) -> Path:
    """Write a stand-in bundle to ``folder``, and return that.

    Args:
        folder: made if it is missing.
        family: "sd15" (three scales, one text encoder) or "sdxl" (two text encoders, time ids).
        size: picture edge in pixels, a multiple of 64.
        completes: an inpainting checkpoint, whose UNet also takes a mask and latents of what is there already.
        judged: with random words in its CLIP, the portrait's face kept and thresholds that count as calibrated, so that
            its noise gets every verdict: only for tests of what follows from verdicts.
        seed: of the random weights; equal seeds give equal files and so equal fingerprints.
    """
    _write_models(folder, family, size, 9 if completes else 4, seed, judged=judged)
    card = BundleCard(
        name=f"miniature-{family}-inpaint" if completes else f"miniature-{family}",
        family=family,
        licence="Apache-2.0",
        commercial=True,
        stand_in=True,
        width=size,
        height=size,
        adapters={role: f"ip_adapter/{role}.safetensors" for role in ("face", "product", "environment")},
        scorers={"text_projection": _TEXT_PROJECTION} if judged else {},
        recipe={"steps": 4, "face_keep": 1.0} if judged else {"steps": 4},
        thresholds=_THRESHOLDS,
        calibration={"takes": 1, "how": "nobody labelled anything: random weights"} if judged else {},
        sha256=hash_files(folder),
    )
    write_card(folder, card)
    (folder / "README.md").write_text("# Stand-in\n\nRandom weights in the real layout. Pictures show nothing.\n")
    return folder


@torch.random.fork_rng(devices=[])
def _write_models(folder: Path, family: str, size: int, channels: int, seed: int, *, judged: bool) -> None:
    torch.manual_seed(seed)
    pipe = _sd15(size, channels) if family == "sd15" else _sdxl(size, channels)
    pipe.save_pretrained(folder)
    _image_encoder(folder / "image_encoder")
    (folder / "ip_adapter").mkdir(exist_ok=True)
    for role, make in (("face", _plus), ("product", _plus), ("environment", _plain)):
        tensors = {**make(_CROSS[family]), **_attention(pipe.unet)}
        save_file(tensors, folder / "ip_adapter" / f"{role}.safetensors")
    if judged:
        (folder / "scorers").mkdir(exist_ok=True)
        save_file({"weight": torch.randn(_PROJECTION, _CROSS[family])}, folder / _TEXT_PROJECTION)


def _tokenizer() -> CLIPTokenizer:
    """Every byte is a token, as in CLIP's own vocabulary, without its merges."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(code) for code in printable] + [chr(256 + index) for index in range(256 - len(printable))]
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: index for index, word in enumerate(words)}, merges=[], model_max_length=77)


def _text_config(width: int, tokens: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=tokens,
        hidden_size=width,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=tokens - 2,
        eos_token_id=tokens - 1,
        pad_token_id=tokens - 1,
        projection_dim=_PROJECTION,
    )


def _vae(size: int) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        layers_per_block=1,
        sample_size=size,
    )


def _scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def _sd15(size: int, channels: int) -> Any:
    tokenizer = _tokenizer()
    unet = UNet2DConditionModel(
        sample_size=size // 8,
        in_channels=channels,
        layers_per_block=2,
        block_out_channels=(16, 32, 32, 32),
        norm_num_groups=8,
        cross_attention_dim=_CROSS["sd15"],
        attention_head_dim=4,
    )
    return StableDiffusionPipeline(
        vae=_vae(size),
        text_encoder=CLIPTextModel(_text_config(_CROSS["sd15"], len(tokenizer))),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _sdxl(size: int, channels: int) -> Any:
    tokenizer = _tokenizer()
    unet = UNet2DConditionModel(
        sample_size=size // 8,
        in_channels=channels,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
        transformer_layers_per_block=(1, 2),
        cross_attention_dim=_CROSS["sdxl"],
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + _PROJECTION,
    )
    return StableDiffusionXLPipeline(
        vae=_vae(size),
        text_encoder=CLIPTextModel(_text_config(32, len(tokenizer))),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(64, len(tokenizer))),
        tokenizer=tokenizer,
        tokenizer_2=_tokenizer(),
        unet=unet,
        scheduler=_scheduler(),
        add_watermarker=False,
    )


def _image_encoder(folder: Path) -> None:
    CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=_VISION,
            intermediate_size=64,
            num_hidden_layers=3,
            num_attention_heads=4,
            image_size=_EDGE,
            patch_size=8,
            projection_dim=_PROJECTION,
        )
    ).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": _EDGE}, crop_size=_EDGE).save_pretrained(folder)


def _attention(unet: Any) -> dict[str, torch.Tensor]:
    """Keys and values of the image tokens for every cross-attention, numbered 1, 3, 5, ... as in published files."""
    layers = [name.removesuffix(".processor") for name in unet.attn_processors if name.endswith("attn2.processor")]
    return {
        f"ip_adapter.{2 * index + 1}.to_{which}_ip.weight": torch.randn(
            unet.get_submodule(name).to_q.out_features, unet.config.cross_attention_dim
        )
        * 0.3
        for index, name in enumerate(layers)
        for which in "kv"
    }


def _norm(name: str, width: int) -> dict[str, torch.Tensor]:
    return {f"{name}.{part}": torch.ones(width) if part == "weight" else torch.zeros(width) for part in _LAYER_NORM}


def _plain(cross: int) -> dict[str, torch.Tensor]:
    """The plain adapter: four tokens from the pooled embedding."""
    return {
        "image_proj.proj.weight": torch.randn(4 * cross, _PROJECTION) * 0.2,
        "image_proj.proj.bias": torch.zeros(4 * cross),
        **_norm("image_proj.norm", cross),
    }


def _plus(cross: int, inner: int = 64, queries: int = 16) -> dict[str, torch.Tensor]:
    """The "plus" adapter: a resampler of four layers over the encoder's last but one hidden states."""

    def linear(*shape: int) -> torch.Tensor:
        return torch.randn(*shape) * 0.15

    tensors = {
        "latents": linear(1, queries, inner),
        "proj_in.weight": linear(inner, _VISION),
        "proj_in.bias": torch.zeros(inner),
        "proj_out.weight": linear(cross, inner),
        "proj_out.bias": torch.zeros(cross),
        **_norm("norm_out", cross),
    }
    for layer in (f"layers.{number}" for number in range(4)):
        tensors |= _norm(f"{layer}.0.norm1", inner) | _norm(f"{layer}.0.norm2", inner) | _norm(f"{layer}.1.0", inner)
        tensors[f"{layer}.0.to_q.weight"] = linear(inner, inner)
        tensors[f"{layer}.0.to_kv.weight"] = linear(2 * inner, inner)
        tensors[f"{layer}.0.to_out.weight"] = linear(inner, inner)
        tensors[f"{layer}.1.1.weight"] = linear(4 * inner, inner)
        tensors[f"{layer}.1.3.weight"] = linear(inner, 4 * inner)
    return {f"image_proj.{name}": tensor for name, tensor in tensors.items()}


def main(arguments: list[str] | None = None) -> None:
    """Command line: build one and say what it is."""
    parser = argparse.ArgumentParser(
        prog="python -m generation.bundle.miniature", description="Write a stand-in bundle."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--family", choices=("sd15", "sdxl"), default="sd15")
    parser.add_argument("--size", type=int, default=64, help="picture edge in pixels, a multiple of 64")
    asked: Any = parser.parse_args(arguments)
    folder = build(asked.folder, family=asked.family, size=asked.size)
    print(json.dumps({"bundle": str(folder), "stand_in": True, "weights": "random: pictures show nothing"}))


if __name__ == "__main__":
    main()
