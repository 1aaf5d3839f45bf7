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
        look: called with the running mean at every checkpoint, to draw a sheet or measure something.
        peers: other processes that train the same models; only the leading one keeps anything.
    """
    run = _Run(models, schedule, folder, Curves(folder, name), look, peers or Peers(folder, 0, 1))
    start = saved = time.monotonic()
    before = run.progress.seconds
    with tqdm(total=round(schedule.minutes * 60), desc=name, unit="s", mininterval=2.0) as bar:
        while (past := time.monotonic() - start) < schedule.minutes * 60:
            with device.autocast():
                found = losses(models)
            run.step(found, past / (schedule.minutes * 60))
            run.progress.seconds = before + time.monotonic() - start
            bar.n = min(round(past), bar.total)
            bar.set_postfix_str(run.curves.text(), refresh=False)
            bar.update(0)
            if time.monotonic() - saved > _CHECKPOINT_SECONDS:
                saved = time.monotonic()
                run.keep()
    run.keep()
    return run.mean


class _Run:
    """What a stage's steps change: weights, their running mean, the optimiser's state, the counts."""

    def __init__(
        self,
        models: Models,
        schedule: Schedule,
        folder: Path,
        curves: Curves,
        look: Callable[[Models], None] | None,
        peers: Peers,
    ) -> None:
        self.models, self.schedule, self.curves, self.look, self.peers = models, schedule, curves, look, peers
        self.mean = copy.deepcopy(models).requires_grad_(False).eval()
        self.weights = [weight for weight in models.parameters() if weight.requires_grad]
        self.pairs = _pairs(models, self.mean)
        self.optimiser = torch.optim.AdamW(
            self.weights, schedule.rate, betas=(0.9, 0.98), weight_decay=schedule.weight_decay, fused=True
        )
        self.file = folder / "checkpoint.safetensors"
        self.progress = resume(self.file, models, self.mean, self.optimiser) or Progress()
        torch.manual_seed(self.progress.steps * peers.count + peers.rank)

    def step(self, losses: Losses, share: float) -> None:
        """One step down; ``share`` of this run's minutes has passed."""
        for group in self.optimiser.param_groups:
            group["lr"] = _rate(self.schedule, self.progress.steps, share)
        self.optimiser.zero_grad(set_to_none=True)
        losses["loss"].backward()
        nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimiser.step()
        self.progress.steps += 1
        self.progress.samples += self.schedule.batch
        self.peers.meet(self.weights)
        _follow(self.pairs, min(self.schedule.mean, (1 + self.progress.steps) / (10 + self.progress.steps)))
        if self.peers.leads:
            self.curves.add(self.progress, losses)

    def keep(self) -> None:
        """Write the checkpoint and have a look."""
        if not self.peers.leads:
            return
        _copy_buffers(self.models, self.mean)
        save(self.file, self.models, self.mean, self.optimiser, self.progress)
        self.curves.draw()
        if self.look:
            with torch.no_grad():
                self.look(self.mean)


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
