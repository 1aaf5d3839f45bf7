"""Stage ``words``: what words look like before any noise: text encoder and the UNet's own view of the whole sentence.

A UNet that meets an untrained text encoder learns to do without it, and takes long to look again. Here both learn first
to tell the mean picture from its caption by plain regression, which costs no pass through the UNet: minutes on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn
from torch.nn import functional

from training.corpus import CASTING, Corpus
from training.device import Device
from training.latents import channel_weights
from training.loop import Losses, Models, Schedule, train
from training.sheets import save_sheet
from training.text2image import gather

_BATCH = 48
_SHOWN = 8


def make_words(painter: Models, shape: tuple[int, ...]) -> Models:
    """The text encoder ("text"), the UNet's embedding of a whole text ("add") and a head [.., latents] ("head").

    Args:
        painter: text encoder and UNet; the UNet has ``addition_embed_type="text"``.
        shape: of a latent, [channels, h, w].
    """
    add = painter["unet"].add_embedding
    head = nn.Linear(add.proj.out_features, torch.Size(shape).numel())
    nn.init.zeros_(head.weight)
    return nn.ModuleDict({"text": painter["text"], "add": add, "head": head})


def picture_of(models: Models, ids: Tensor) -> Tensor:
    """Latents, flattened, that ``models`` expect of token ids [n, length]."""
    tokens = models["text"](ids).last_hidden_state
    found: Tensor = models["head"](functional.silu(models["add"](tokens)))
    return found


def train_words(
    models: Models,
    corpus: Corpus,
    held_out: Corpus,
    vae: AutoencoderTiny,
    tokenizer: Any,
    device: Device,
    folder: Path,
    minutes: float,
) -> None:
    """Train ``models`` from :func:`make_words` on the pictures and captions that the UNet is going to see."""
    shown = gather(corpus, vae, tokenizer, device, folder.parent / "latents")
    if not (folder / "checkpoint.safetensors").exists():
        models["head"].bias.data.copy_(shown.latents.float().mean((0, 1)).flatten())
    weights = channel_weights(vae, shown.latents, device).to(device.torch)
    batch = _BATCH * (8 if device.fast else 1)

    def losses(models: Models) -> Losses:
        latents, _, ids = shown.draw(batch)
        wanted = latents.to(device.torch)
        found = picture_of(models, ids.to(device.torch)).float().view_as(wanted)
        return {"loss": ((found - wanted).square() * weights).mean()}

    look = _looker(held_out, vae, tokenizer, device, folder)
    train("words", models.to(device.torch), losses, Schedule(minutes, batch, rate=1.5e-3), device, folder, look)


def _looker(
    held_out: Corpus, vae: AutoencoderTiny, tokenizer: Any, device: Device, folder: Path
) -> Callable[[Models], None]:
    """Draws held-out castings and what their captions alone say of them whenever a checkpoint is written."""
    rows = held_out.rows(CASTING)[:_SHOWN]
    few = gather(held_out, vae, tokenizer, device, folder.parent / "latents").only(rows)

    def look(models: Models) -> None:
        expected = picture_of(models, few.ids[:, 0, 0].to(device.torch)).view_as(few.latents[:, 0]).float()
        drawn = vae.decode(expected / vae.config.scaling_factor).sample / 2 + 0.5
        save_sheet(torch.cat([held_out.pixels(rows).to(drawn) / 2 + 0.5, drawn]), _SHOWN, folder / "castings.png")

    return look
