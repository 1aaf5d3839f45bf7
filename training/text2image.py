"""Stage ``text2image``: the text encoder and the UNet, words to pictures, on cached latents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from training.captions import FULL, SHORT, caption_ids, to_ids
from training.corpus import CASTING, PACKSHOT, PHOTO, PORTRAIT, SHOT, Corpus
from training.device import Device
from training.diffusion import Noising, draw_latents
from training.latents import channel_weights, encode_corpus, region_weights
from training.loop import Losses, Models, Schedule, train
from training.peers import Peers
from training.sheets import save_sheet
from training.sizes import Sizes
from training.world.captions import caption

SHARES = {CASTING: 0.25, PORTRAIT: 0.10, SHOT: 0.55, PACKSHOT: 0.03, PHOTO: 0.07}
"""How often each kind of picture is shown: shots most, since portraits begin with a sketch."""
_NO_WORDS = 0.1
_PICTURES = 16
_FACE, _PRODUCT = 1.5, 0.5


def make_unet(sizes: Sizes) -> UNet2DConditionModel:
    """A UNet without attention at its widest level, which saved a third of the time, as in SDXL.

    Heads are 32 wide: narrower ones waste a CPU's time.
    """
    deeper = len(sizes.unet_widths) - 1
    return UNet2DConditionModel(
        sample_size=sizes.latent_edge,
        in_channels=sizes.latent_channels,
        out_channels=sizes.latent_channels,
        block_out_channels=sizes.unet_widths,
        layers_per_block=1,
        norm_num_groups=sizes.unet_groups,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * deeper),
        up_block_types=(*("CrossAttnUpBlock2D",) * deeper, "UpBlock2D"),
        cross_attention_dim=sizes.words,
        attention_head_dim=tuple(width // sizes.head_width for width in sizes.unet_widths),
        # The whole sentence, pooled, is added to the time embedding: what it says reaches every layer from the first
        # step on, which cross-attention alone takes long to learn. Stock pipelines need not know of it.
        addition_embed_type="text",
        addition_embed_type_num_heads=sizes.word_heads,
    )


def make_text_encoder(sizes: Sizes, tokenizer: Any) -> CLIPTextModel:
    """CLIP's text model for the world's vocabulary."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=sizes.words,
            intermediate_size=4 * sizes.words,
            num_hidden_layers=sizes.word_layers,
            num_attention_heads=sizes.word_heads,
            max_position_embeddings=sizes.positions,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            projection_dim=sizes.joint,
            hidden_act="gelu",
        )
    )


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Latents [n, 2, c, h, w], weights [n, 2, c, h, w], token ids [n, captions, 2, length], and how often each is
    shown [n]."""

    latents: Tensor
    weights: Tensor
    ids: Tensor
    odds: Tensor

    def draw(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Latents, weights and token ids of ``count`` random examples, mirrored half of the time."""
        rows = torch.multinomial(self.odds, count, replacement=True)
        turned = torch.randint(2, (count,))
        told = torch.randint(FULL + SHORT, (count,))
        return self.latents[rows, turned].float(), self.weights[rows, turned], self.ids[rows, told, turned]

    def only(self, rows: Tensor) -> Examples:
        """The examples at ``rows``."""
        return Examples(self.latents[rows], self.weights[rows], self.ids[rows], self.odds[rows])


def gather(corpus: Corpus, vae: AutoencoderTiny, tokenizer: Any, device: Device, cache: Path) -> Examples:
    """A corpus made ready for training; latents are kept in the folder ``cache``."""
    odds = torch.zeros(len(corpus))
    for kind, share in SHARES.items():
        rows = corpus.rows(kind)
        odds[rows] = share / max(1, len(rows))
    latents = encode_corpus(vae, corpus, device, cache)
    weights = region_weights(corpus, latents.shape[-1], _FACE, _PRODUCT) * channel_weights(vae, latents, device)
    return Examples(latents, weights, caption_ids(tokenizer, corpus.scenes), odds)


def train_text2image(
    models: Models,
    corpus: Corpus,
    held_out: Corpus,
    vae: AutoencoderTiny,
    tokenizer: Any,
    device: Device,
    folder: Path,
    minutes: float,
    peers: Peers,
) -> None:
    """Train ``models`` ("text" and "unet") together from what they are now or their checkpoint."""
    examples = gather(corpus, vae, tokenizer, device, folder.parent / "latents")
    models = models.to(device.torch)
    models["unet"].to(memory_format=torch.channels_last)
    batch = _PICTURES * (24 if device.fast else 1)
    nothing = to_ids(tokenizer, [""])
    noising = Noising(device.torch)
    runs: dict[int, Any] = {}

    def losses(models: Models) -> Losses:
        run = runs.setdefault(id(models), device.compiled(models["unet"]))
        latents, weights, ids = examples.draw(batch)
        ids = torch.where(torch.rand(batch, 1) < _NO_WORDS, nothing, ids).to(device.torch)
        return _losses(
            run, models["text"](ids).last_hidden_state, latents.to(device.torch), weights.to(device.torch), noising
        )

    look = _looker(held_out, vae, tokenizer, device, folder)
    train("text2image", models, losses, Schedule(minutes, batch, rate=9e-4), device, folder, look, peers)


def _losses(unet: Any, tokens: Tensor, latents: Tensor, weights: Tensor, noising: Noising) -> Losses:
    times = noising.draw_times(len(latents))
    noised, velocity = noising.apply(latents, torch.randn_like(latents), times)
    found = unet(noised.contiguous(memory_format=torch.channels_last), times, tokens, return_dict=False)[0]
    square = (found.float() - velocity).square()
    loss = ((square * weights).mean((1, 2, 3)) * noising.weights(times)).mean()
    return {"loss": loss, "v-mse": square.mean()}


def _looker(
    held_out: Corpus, vae: AutoencoderTiny, tokenizer: Any, device: Device, folder: Path
) -> Callable[[Models], None]:
    """Draws eight held-out castings next to their renderings whenever a checkpoint is written."""
    rows = held_out.rows(CASTING)[:8]
    ids = to_ids(tokenizer, ["", *(caption(held_out.scenes[row]) for row in rows.tolist())]).to(device.torch)
    vae = vae.to(device.torch)

    def look(models: Models) -> None:
        edge = models["unet"].config.sample_size
        with device.autocast():
            tokens = models["text"](ids).last_hidden_state
            shape = (vae.config.latent_channels, edge, edge)
            latents = draw_latents(models["unet"], tokens[1:], tokens[:1], shape, 12, 3.0)
        drawn = vae.decode(latents / vae.config.scaling_factor).sample / 2 + 0.5
        real = held_out.pixels(rows).to(drawn) / 2 + 0.5
        save_sheet(torch.cat([real, drawn]), 8, folder / "castings.png")

    return look
