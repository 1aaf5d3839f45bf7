"""Workers that meet hold the mean of their weights."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from training import peers
from training.peers import Peers


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "_SECONDS", 0.0)


def test_two_workers_meet_in_the_middle(tmp_path: Path) -> None:
    one, two = [torch.zeros(3)], [torch.full((3,), 4.0)]
    Peers(tmp_path, 0, 2).meet(one)
    Peers(tmp_path, 1, 2).meet(two)
    torch.testing.assert_close(one[0], torch.zeros(3))
    torch.testing.assert_close(two[0], torch.full((3,), 2.0))


def test_a_worker_that_died_is_left_out(tmp_path: Path) -> None:
    one, two = [torch.zeros(3)], [torch.full((3,), 4.0)]
    Peers(tmp_path, 0, 2).meet(one)
    os.utime(tmp_path / "worker-0.safetensors", (0, 0))
    Peers(tmp_path, 1, 2).meet(two)
    torch.testing.assert_close(two[0], torch.full((3,), 4.0))


def test_one_alone_leaves_nothing(tmp_path: Path) -> None:
    Peers(tmp_path, 0, 1).meet([torch.zeros(3)])
    assert not list(tmp_path.iterdir())
