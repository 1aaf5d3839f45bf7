"""A stage goes on exactly where it was interrupted."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import nn

from training.checkpoint import Progress, load_mean, resume, save


def _models(width: int = 4) -> nn.ModuleDict:
    return nn.ModuleDict({"one": nn.Linear(width, width), "two": nn.Linear(width, 2)})


def _step(models: nn.ModuleDict, optimiser: torch.optim.Optimizer) -> None:
    models["two"](models["one"](torch.ones(1, 4))).square().sum().backward()
    optimiser.step()
    optimiser.zero_grad()


def test_a_resumed_run_takes_the_same_next_step(tmp_path: Path) -> None:
    first = _models()
    optimiser = torch.optim.AdamW(first.parameters(), 0.1)
    _step(first, optimiser)
    save(tmp_path / "checkpoint.safetensors", first, deepcopy(first), optimiser, Progress(1, 16, 2.5))
    _step(first, optimiser)
    second = _models()
    again = torch.optim.AdamW(second.parameters(), 0.1)
    progress = resume(tmp_path / "checkpoint.safetensors", second, _models(), again)
    _step(second, again)
    assert progress == Progress(1, 16, 2.5)
    torch.testing.assert_close(first.state_dict(), second.state_dict())


def test_what_was_frozen_meanwhile_is_left_out(tmp_path: Path) -> None:
    models = _models()
    optimiser = torch.optim.AdamW(models.parameters(), 0.1)
    _step(models, optimiser)
    save(tmp_path / "checkpoint.safetensors", models, deepcopy(models), optimiser, Progress(1, 1, 1.0))
    later = _models()
    later["one"].requires_grad_(False)
    trained = torch.optim.AdamW([weight for weight in later.parameters() if weight.requires_grad], 0.1)
    resume(tmp_path / "checkpoint.safetensors", later, _models(), trained)
    kept = trained.state_dict()["state"]
    torch.testing.assert_close(kept[0]["exp_avg"], optimiser.state_dict()["state"][2]["exp_avg"])


def test_part_of_a_stage_can_be_loaded(tmp_path: Path) -> None:
    models = _models()
    save(
        tmp_path / "checkpoint.safetensors",
        models,
        deepcopy(models),
        torch.optim.AdamW(models.parameters()),
        Progress(),
    )
    other = nn.ModuleDict({"two": nn.Linear(4, 2)})
    assert load_mean(tmp_path / "checkpoint.safetensors", other, partly=True)
    torch.testing.assert_close(other["two"].weight, models["two"].weight)
    assert not load_mean(tmp_path / "missing.safetensors", other)


def test_a_checkpoint_of_another_size_says_what_to_do(tmp_path: Path) -> None:
    models = _models()
    optimiser = torch.optim.AdamW(models.parameters())
    save(tmp_path / "checkpoint.safetensors", models, deepcopy(models), optimiser, Progress())
    wrong = nn.ModuleDict({"one": nn.Linear(4, 5), "two": nn.Linear(5, 2)})
    with pytest.raises(RuntimeError, match="move it away"):
        resume(tmp_path / "checkpoint.safetensors", wrong, wrong, torch.optim.AdamW(wrong.parameters()))
