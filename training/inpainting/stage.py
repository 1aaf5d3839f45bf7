"""Stage: the inpainting UNet with its three IP-Adapters, the text encoder frozen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from generation.score.face_reader import FaceReader
from training.device import Device
from training.diffusion import Noising
from training.inpainting.alignment import Alignment
from training.inpainting.batches import Batch, Collages
from training.inpainting.pictures import Layers
from training.inpainting.sampling import complete
from training.inpainting.unet import completed
from training.loop import Losses, Models, Schedule, train
from training.peers import Peers
from training.sheets import save_sheet

_PICTURES = 16
_SHOWN, _STEPS = 12, 2
_FIRST = 999
"""The step from nothing but noise: most of a batch learns it, since drawing takes one to four steps in all."""
_BEND = 0.1
"""Error from which the loss grows as its amount and no longer as its square: a pixel that only has to be copied is
worth as much care as one that has to be guessed (pseudo-Huber, Song & Dhariwal, 2023, arXiv:2310.14189)."""
_MOST = 5.0
_LIKE_FACE, _LIKE_PRODUCT = 0.012, 0.005
"""What it weighs, beside the error of the latents, that a face is read as it should be, and a product seen so: about as
steep for the weights as the error itself."""


def train_inpainting(
    painter: Models,
    reader: FaceReader,
    encoder: Any,
    layers: Layers,
    held_out: Layers,
    device: Device,
    folder: Path,
    minutes: float,
    peers: Peers,
) -> None:
    """Train the UNet of ``painter`` and its adapters together; "text" and "vae" stay as they are.

    ``reader`` and ``encoder`` look at what is drawn, frozen: see :class:`Alignment`.
    """
    collages, noising = Collages(layers, painter["vae"]), Noising(device.torch)
    text = painter["text"].to(device.torch).eval().requires_grad_(False)
    unet = painter["unet"].to(device.torch, memory_format=torch.channels_last).requires_grad_(True)
    models: Models = nn.ModuleDict({"unet": unet})
    batch = _PICTURES * (8 if device.fast else 1)
    alignment = Alignment(reader, encoder, painter["vae"], device.torch)

    def losses(models: Models) -> Losses:
        told = collages.draw(batch).to(device.torch)
        with torch.no_grad():
            tokens = text(told.ids).last_hidden_state
        times = noising.draw_times(batch)
        times[: 3 * batch // 4] = _FIRST
        noised, _ = noising.apply(told.target, torch.randn_like(told.target), times)
        found = completed(models["unet"], noised, times, tokens, told)
        errors = _errors(found, told, noising.clarity(times).clamp(max=_MOST))
        errors["face"], errors["product"] = alignment.errors(found, told)
        errors["loss"] = errors["loss"] + _LIKE_FACE * errors["face"] + _LIKE_PRODUCT * errors["product"]
        return errors

    look = _looker(Collages(held_out, painter["vae"]), text, device, folder)
    train("inpainting", models, losses, Schedule(minutes, batch, 6e-4, mean=0.995), device, folder, look, peers)


def _errors(found: Tensor, told: Batch, clarity: Tensor) -> Losses:
    """``loss`` and the mean square error of what is drawn, and that of leaving the collage as it is."""
    error = functional.huber_loss(found, told.target, reduction="none", delta=_BEND) / _BEND
    drawn = told.mask / told.mask.sum() / found.shape[1]
    return {
        "loss": ((error * told.weight).mean((1, 2, 3)) * clarity).mean(),
        "drawn": ((found - told.target).square() * drawn).sum(),
        "copied": ((told.hint - told.target).square() * drawn).sum(),
    }


def _looker(collages: Collages, text: nn.Module, device: Device, folder: Path) -> Callable[[Models], None]:
    """Completes held-out collages whenever a checkpoint is written: collage, completed, rendered."""
    rows = torch.arange(len(collages.layers))[:_SHOWN]
    no = torch.zeros(len(rows), dtype=torch.bool)
    told = collages.of(rows, no, no, vary=False).to(device.torch)

    def look(models: Models) -> None:
        drawn = complete(models["unet"], text, told, _STEPS)
        pictures = [collages.patches.decode(latents.cpu())[0] / 2 + 0.5 for latents in (told.hint, drawn, told.target)]
        save_sheet(torch.cat(pictures).clamp(0, 1), _SHOWN, folder / "completed.png")

    return look
