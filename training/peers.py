"""Several processes that train one model together by averaging their weights now and then.

Local SGD (Stich, 2019, arXiv:1805.09767) without a meeting point: each process leaves its weights in a file and takes
the mean with what the others left last. On CPU cores that others use too, processes of one thread each get more done
than the threads of one process, which wait for each other at every operation.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

_SECONDS = 20.0
_STALE = 6 * _SECONDS


@dataclass(slots=True)
class Peers:
    """This process is number ``rank`` of ``count``; number 0 keeps the checkpoints and is started first."""

    folder: Path
    rank: int
    count: int
    _met: float = field(default_factory=time.monotonic)

    @property
    def leads(self) -> bool:
        return self.rank == 0

    @torch.no_grad()
    def meet(self, weights: list[Tensor]) -> None:
        """Average ``weights`` with the others', at most every :data:`_SECONDS`; who has been silent is left out."""
        if self.count == 1 or time.monotonic() - self._met < _SECONDS:
            return
        self._met = time.monotonic()
        self._leave(weights)
        others = [self._file(rank) for rank in range(self.count) if rank != self.rank]
        fresh = [file for file in others if file.exists() and time.time() - file.stat().st_mtime < _STALE]
        if not fresh:
            return
        left = [load_file(file) for file in fresh]
        for index, weight in enumerate(weights):
            theirs = sum(tensors[str(index)] for tensors in left)
            weight.copy_((weight + theirs) / (1 + len(left)))

    def _leave(self, weights: list[Tensor]) -> None:
        file = self._file(self.rank)
        fresh = file.with_suffix(".new")
        save_file({str(index): weight.detach().cpu().contiguous() for index, weight in enumerate(weights)}, fresh)
        fresh.replace(file)

    def _file(self, rank: int) -> Path:
        return self.folder / f"worker-{rank}.safetensors"
