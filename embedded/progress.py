"""How far the shots are, while a run goes on: bars on a terminal, lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from storage.catalog.records import Progress as Passed

STAGES = ("composed", "refined", "scored", "finished")
LINE_SECONDS = 10.0


class Display(Protocol):
    """Shows how many shots have passed each stage, and the time left in words."""

    def show(self, passed: Passed, left: str) -> None: ...

    def close(self) -> None: ...


class Bars:
    """A bar per stage."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description:>9}"), BarColumn(), MofNCompleteColumn(), TextColumn("shots"))
        self._progress = Progress(*columns, TimeElapsedColumn(), TextColumn("{task.fields[left]}"), console=console)
        self._bars: dict[str, TaskID] = {}
        self._progress.start()

    def show(self, passed: Passed, left: str) -> None:
        for stage in STAGES:
            if stage not in self._bars:
                self._bars[stage] = self._progress.add_task(stage, total=None, left="")
            shown = left if stage == STAGES[-1] else ""
            done, total = getattr(passed, stage), passed.planned or None
            self._progress.update(self._bars[stage], completed=done, total=total, left=shown)

    def close(self) -> None:
        self._progress.stop()


class Lines:
    """A line where something changed, at most every :data:`LINE_SECONDS`."""

    def __init__(self, write: Callable[[str], None] = print) -> None:
        self._write = write
        self._shown: Passed | None = None
        self._latest: tuple[Passed, str] | None = None
        self._at = -LINE_SECONDS

    def show(self, passed: Passed, left: str) -> None:
        self._latest = (passed, left)
        if passed != self._shown and time.monotonic() - self._at >= LINE_SECONDS:
            self._line()

    def close(self) -> None:
        if self._latest is not None and self._latest[0] != self._shown:
            self._line()

    def _line(self) -> None:
        if self._latest is None:
            return
        passed, left = self._latest
        self._shown, self._at = passed, time.monotonic()
        if not passed.planned:
            self._write("  planning the shots")
            return
        counts = ", ".join(f"{stage} {getattr(passed, stage)}" for stage in STAGES)
        self._write(f"  of {passed.planned} shots: {counts}" + (f"; {left}" if left else ""))


class TimeLeft:
    """An estimate from the pace since this object was made; each stage of each shot counts the same."""

    def __init__(self, passed: Passed) -> None:
        self._start, self._before = time.monotonic(), _steps(passed)

    def of(self, passed: Passed) -> str:
        """In words; empty while there is no pace yet or nothing is left."""
        done = _steps(passed) - self._before
        left = passed.planned * len(STAGES) - _steps(passed)
        if done < 1 or left < 1:
            return ""
        seconds = (time.monotonic() - self._start) / done * left
        return f"about {seconds / 60:.0f} min left" if seconds > 90 else f"about {seconds:.0f} s left"


def display(console: Console) -> Display:
    """Bars on a terminal, else lines."""
    return Bars(console) if console.is_terminal else Lines(lambda line: console.print(line, highlight=False))


def _steps(passed: Passed) -> int:
    return sum(int(getattr(passed, stage)) for stage in STAGES)
