"""Checkpoints of a stage: weights, their running mean, the optimiser's state and how far it got. safetensors only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


@dataclass(slots=True)
class Progress:
    """How far a stage got: optimiser steps, samples seen, seconds of training, over all its runs."""

    steps: int = 0
    samples: int = 0
    seconds: float = 0.0


def save(
    file: Path, models: nn.ModuleDict, mean: nn.ModuleDict, optimiser: torch.optim.Optimizer, progress: Progress
) -> None:
    """Write a checkpoint so that a crash leaves the one before it or the new one, never half a file."""
    tensors = {f"model.{name}": value for name, value in models.state_dict().items()}
    tensors |= {f"mean.{name}": value for name, value in mean.state_dict().items()}
    names = _trained(models)
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{names[index]}/{part}": torch.as_tensor(value) for part, value in state.items()}
    about = {"progress": json.dumps([progress.steps, progress.samples, progress.seconds])}
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, fresh, metadata=about)
    fresh.replace(file)


def resume(file: Path, models: nn.ModuleDict, mean: nn.ModuleDict, optimiser: torch.optim.Optimizer) -> Progress | None:
    """Load a checkpoint into what it was saved from; ``None`` if there is none.

    Raises:
        RuntimeError: the checkpoint belongs to a model of another size; move its folder away to start again.
    """
    if not file.exists():
        return None
    with safe_open(file, framework="pt") as store:
        tensors = {name: store.get_tensor(name) for name in store.keys()}  # noqa: SIM118 - not a mapping
        steps, samples, seconds = json.loads(store.metadata()["progress"])
    try:
        models.load_state_dict(_part(tensors, "model."))
        mean.load_state_dict(_part(tensors, "mean."))
    except RuntimeError as error:
        raise RuntimeError(
            f"{file} does not fit the model of this stage; move it away to start again: {error}"
        ) from None
    # Kept by name: what is frozen may differ from run to run.
    places = {name: index for index, name in enumerate(_trained(models))}
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in _part(tensors, "optimiser.").items():
        name, part = key.rsplit("/", 1)
        if name in places:
            states.setdefault(places[name], {})[part] = value
    optimiser.load_state_dict({"state": states, "param_groups": optimiser.state_dict()["param_groups"]})
    return Progress(steps, samples, seconds)


def _trained(models: nn.ModuleDict) -> list[str]:
    """Names of the weights that are trained, in the optimiser's order."""
    return [name for name, weight in models.named_parameters() if weight.requires_grad]


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def load_mean(file: Path, models: nn.ModuleDict, *, partly: bool = False) -> bool:
    """Load the running mean of a checkpoint into ``models`` (the weights to use); false if there is no checkpoint.

    Args:
        partly: ``models`` are only some of those that were trained together.
    """
    if not file.exists():
        return False
    with safe_open(file, framework="pt") as store:
        names = [name for name in store.keys() if name.startswith("mean.")]  # noqa: SIM118 - not a mapping
        if partly:
            names = [name for name in names if name.split(".")[1] in models]
        models.load_state_dict({name.removeprefix("mean."): store.get_tensor(name) for name in names})
    return True
