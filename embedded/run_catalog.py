"""One run of the catalog DAG, watched to its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console

from embedded.airflow_api import ENDED, AirflowApi, AirflowError
from embedded.home import Home
from embedded.progress import TimeLeft, display
from storage.catalog.catalog import Catalog
from storage.catalog.shots import UNFINISHED
from storage.catalog.tables import ShotState

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
