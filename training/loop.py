"""The training loop that every stage shares: a budget in minutes, warm-up and decay, a running mean, checkpoints."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from training.checkpoint import Progress, resume, save
from training.curves import Curves
from training.device import Device
from training.peers import Peers

Models = Any
"""An ``nn.ModuleDict`` of a stage's models; typed loosely, since mypy knows its members only as modules or tensors."""

Losses = dict[str, Tensor]
"""Named scalars; ``"loss"`` is minimised, the others are only recorded."""

_CHECKPOINT_SECONDS = 240.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast.

    Attributes:
        minutes: of this run; a later run goes on from its checkpoint.
        batch: samples per step, for the counts in the curves.
        rate: learning rate after ``warm_up`` steps.
        decay: the last share of this run, in which the rate falls to a fiftieth along a cosine
            (warm-up, stable, decay: Hu et al., 2024, arXiv:2404.06395), so any run can be the last.
        mean: decay per step of the running mean of the weights.
    """

    minutes: float
    batch: int
    rate: float
    warm_up: int = 100
    decay: float = 0.35
    mean: float = 0.998
    weight_decay: float = 0.01


def train(
    name: str,
    models: Models,
    losses: Callable[[Models], Losses],
    schedule: Schedule,
    device: Device,
    folder: Path,
    look: Callable[[Models], None] | None = None,
    peers: Peers | None = None,
) -> Models:
    """Train ``models`` (those of their parameters that require gradients) and return the running mean of them.

    Args:
        losses: one batch's losses; draws its batch itself, from torch's global generator.
        folder: gets ``checkpoint.safetensors``, ``curve.csv`` and ``curve.png``; a checkpoint there is taken up.
        peers: other processes that train the same models; only the leading one keeps anything.
        look: called with the running mean at every checkpoint, to draw a sheet or measure something.
    """
    mean = copy.deepcopy(models).requires_grad_(False).eval()
    weights = [weight for weight in models.parameters() if weight.requires_grad]
    pairs = _pairs(models, mean)
    optimiser = torch.optim.AdamW(
        weights, schedule.rate, betas=(0.9, 0.98), weight_decay=schedule.weight_decay, fused=True
    )
    file = folder / "checkpoint.safetensors"
    progress = resume(file, models, mean, optimiser) or Progress()
    peers = peers or Peers(folder, 0, 1)
    torch.manual_seed(progress.steps * peers.count + peers.rank)
    curves = Curves(folder, name)
    start = saved = time.monotonic()
    before = progress.seconds
    with tqdm(total=round(schedule.minutes * 60), desc=name, unit="s", mininterval=2.0) as bar:
        while True:
            past = time.monotonic() - start
            share = past / (schedule.minutes * 60) if schedule.minutes else 1.0
            bar.n = min(round(past), bar.total)
            if share >= 1:
                break
            for group in optimiser.param_groups:
                group["lr"] = _rate(schedule, progress.steps, share)
            with device.autocast():
                found = losses(models)
            optimiser.zero_grad(set_to_none=True)
            found["loss"].backward()
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            progress.steps += 1
            progress.samples += schedule.batch
            progress.seconds = before + time.monotonic() - start
            peers.meet(weights)
            _follow(pairs, min(schedule.mean, (1 + progress.steps) / (10 + progress.steps)))
            if peers.leads:
                curves.add(progress, found)
            bar.set_postfix_str(curves.text(), refresh=False)
            bar.update(0)
            if peers.leads and time.monotonic() - saved > _CHECKPOINT_SECONDS:
                saved = time.monotonic()
                _keep(file, models, mean, optimiser, progress, curves, look)
    if peers.leads:
        _keep(file, models, mean, optimiser, progress, curves, look)
    return mean


def _keep(
    file: Path,
    models: Models,
    mean: nn.ModuleDict,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
    curves: Curves,
    look: Callable[[Models], None] | None,
) -> None:
    _copy_buffers(models, mean)
    save(file, models, mean, optimiser, progress)
    curves.draw()
    if look:
        with torch.no_grad():
            look(mean)


def _rate(schedule: Schedule, steps: int, share: float) -> float:
    rate = schedule.rate * min(1.0, (steps + 1) / schedule.warm_up)
    past = (share - (1 - schedule.decay)) / schedule.decay if schedule.decay else 0.0
    return rate if past <= 0 else rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, past))))


def _pairs(models: Models, mean: nn.ModuleDict) -> tuple[list[Tensor], list[Tensor]]:
    both = [(one, two) for one, two in zip(models.parameters(), mean.parameters(), strict=True) if one.requires_grad]
    return [one for one, _ in both], [two for _, two in both]


@torch.no_grad()
def _follow(pairs: tuple[list[Tensor], list[Tensor]], decay: float) -> None:
    now, mean = pairs
    torch._foreach_lerp_(mean, now, 1 - decay)


@torch.no_grad()
def _copy_buffers(models: Models, mean: nn.ModuleDict) -> None:
    for one, two in zip(models.buffers(), mean.buffers(), strict=True):
        two.copy_(one)
