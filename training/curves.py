"""Loss curves of a stage: every few steps a row in a CSV file, and a drawing of it."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

from PIL import Image, ImageDraw
from torch import Tensor

from training.checkpoint import Progress

_EVERY = 10
_SIZE, _MARGIN = (640, 320), 40
_COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#d68910", "#555555")


class Curves:
    """Collects losses, averages :data:`_EVERY` steps into a row, appends rows to ``folder/curve.csv``."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "curve.csv"
        self._name = name
        self._sums: dict[str, float] = defaultdict(float)
        self._count = 0
        self._last: dict[str, float] = {}

    def add(self, progress: Progress, losses: dict[str, Tensor]) -> None:
        """Record one step's losses."""
        for name, value in losses.items():
            self._sums[name] += float(value.detach())
        self._count += 1
        if self._count < _EVERY:
            return
        self._last = {name: total / self._count for name, total in self._sums.items()}
        self._sums.clear()
        self._count = 0
        new = not self._file.exists()
        with self._file.open("a", newline="") as stream:
            writer = csv.writer(stream)
            if new:
                writer.writerow(["steps", "samples", "seconds", *self._last])
            numbers = [f"{value:.5g}" for value in self._last.values()]
            writer.writerow([progress.steps, progress.samples, round(progress.seconds), *numbers])

    def text(self) -> str:
        """The last row, for a progress bar."""
        return " ".join(f"{name} {value:.4f}" for name, value in self._last.items())

    def draw(self) -> None:
        """Draw the whole CSV file as ``curve.png``: each loss against steps, scaled to its own range."""
        if not self._file.exists():
            return
        with self._file.open(newline="") as stream:
            head, *rows = list(csv.reader(stream))
        picture = Image.new("RGB", _SIZE, "white")
        pen = ImageDraw.Draw(picture)
        pen.text(
            (_MARGIN, 8), f"{self._name}: {rows[-1][1]} samples, {int(rows[-1][2]) / 60:.0f} minutes", fill="black"
        )
        width, height = _SIZE[0] - 2 * _MARGIN, _SIZE[1] - 2 * _MARGIN
        steps = [float(row[0]) for row in rows]
        for index, name in enumerate(head[3:]):
            values = [float(row[3 + index]) for row in rows]
            low, high = min(values), max(values)
            line = [
                (_MARGIN + width * step / steps[-1], _MARGIN + height * (1 - (value - low) / (high - low or 1)))
                for step, value in zip(steps, values, strict=True)
            ]
            colour = _COLOURS[index % len(_COLOURS)]
            if len(line) > 1:
                pen.line(line, fill=colour, width=2)
            place = (_MARGIN + 100 * index, _SIZE[1] - 24)
            pen.text(place, f"{name} {values[-1]:.3g}", fill=colour)
        picture.save(self._file.with_suffix(".png"))
