"""One run of the catalog DAG, watched to its end: bars on a terminal, lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from embedded.airflow import ENDED, AirflowApi, AirflowError
from embedded.home import Home
from storage.catalog.catalog import Catalog
from storage.catalog.records import Progress as Passed
from storage.catalog.shots import UNFINISHED
from storage.catalog.tables import ShotState

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


DAG = "catalog"
GPU_SLOTS = 2
"""Jobs that wait at the generation service: one at work, one ready to follow."""
WATCH_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """Numbers of shots in each state before and after a run, and how long it took in seconds."""

    before: Mapping[ShotState, int]
    after: Mapping[ShotState, int]
    seconds: float

    @property
    def made(self) -> int:
        """How many shots got their picture or their answer in this run; old ones that they supersede count before."""
        return _settled(self.after) - _settled(self.before)


def run_catalog(home: Home, catalog: Catalog, console: Console) -> RunOutcome:
    """Trigger the DAG and show progress until the run has ended.

    Raises:
        AirflowError: the run failed; names the tasks and where to look.
    """
    with AirflowApi(home) as airflow:
        airflow.set_pool("gpu", GPU_SLOTS, "Jobs that wait at the generation services, two for each")
        airflow.wait_for_dag(DAG)
        before, start = catalog.totals(), time.monotonic()
        run = airflow.trigger(DAG)
        state = _watch(airflow, run, catalog, console)
        if state != "success":
            tasks = ", ".join(airflow.tasks_in(DAG, run, "failed")) or "none of its tasks"
            where = f"{home.airflow_url}/dags/{DAG}/runs/{run}"
            raise AirflowError(f"the run ended as {state!r}; failed tasks: {tasks}. Their logs: {where}")
        return RunOutcome(before, catalog.totals(), time.monotonic() - start)


def _settled(totals: Mapping[ShotState, int]) -> int:
    return sum(count for state, count in totals.items() if state not in UNFINISHED)


def _watch(airflow: AirflowApi, run: str, catalog: Catalog, console: Console) -> str:
    shown = display(console)
    left = TimeLeft(catalog.progress())
    try:
        while (state := airflow.run_state(DAG, run)) not in ENDED:
            passed = catalog.progress()
            shown.show(passed, left.of(passed))
            time.sleep(WATCH_SECONDS)
        shown.show(catalog.progress(), "")
    finally:
        shown.close()
    return state
