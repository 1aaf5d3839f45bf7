"""Where training runs and how: a GPU when there is one, else a few CPU threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from brief.settings import Settings


@dataclass(frozen=True, slots=True)
class Device:
    """A place to train on. ``fast`` is true on a GPU: compiled models, large batches. ``half``: bfloat16 is quick."""

    torch: torch.device
    fast: bool
    half: bool

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """bfloat16 where the hardware has it.

        On a CPU attention is spelt out: its fused backward pass in bfloat16 took more time than all the rest of a
        UNet's step (1.8 of 3.1 s), while everything else halves.
        """
        plain = sdpa_kernel(SDPBackend.MATH) if not self.fast else nullcontext()
        with plain, torch.autocast(self.torch.type, torch.bfloat16, enabled=self.half):
            yield

    def compiled(self, module: nn.Module) -> Any:
        """``module`` compiled on a GPU. On a CPU compiling took minutes, longer than a short stage lasts."""
        return torch.compile(module) if self.fast else module


def find_device(threads: int = 0) -> Device:
    """The first GPU, or the CPU with ``threads`` threads (0: the ``LOOKBOOK_THREADS`` variable, else all cores).

    On a machine that others use too, one thread does more work per CPU second than two: no thread waits for another.
    """
    if torch.cuda.is_available():
        torch.backends.cuda.matmul.allow_tf32 = True
        return Device(torch.device("cuda"), fast=True, half=True)
    torch.set_num_threads(threads or Settings.read().threads or os.cpu_count() or 1)
    half = bool(torch.cpu.get_capabilities().get("avx512_bf16"))
    return Device(torch.device("cpu"), fast=False, half=half)
