"""A run takes up shots: which they are is recorded, and what was turned down before gets its next take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pipeline.plan import RunPlan, Shard, cut
from pipeline.report import write_report
from pipeline.run import Run
from storage.catalog import decisions, runs
from storage.catalog.tables import ShotState


def take_up(run: Run, planned: RunPlan, asked: Mapping[str, Any]) -> None:
    """Record what the run was ``asked`` and the shots of its shards.

    A rejected shot among them is there because the run was asked to try it again: here it gets its next take. A stage
    does not do that by itself, so that clearing a task makes nothing new of what a person rejected.

    Raises:
        CatalogError, ServiceError: the database or the service is unreachable.
    """
    keys = [key for shard in planned.shards for key in shard.keys]
    rejected = [key for key, state in run.catalog.states(keys).items() if state is ShotState.REJECTED]
    limits = {name: asdict(each) for name, each in run.service.bundle().thresholds.items()}
    with run.catalog.begin() as session:
        runs.record_run(session, run.id, asked, {"problems": dict(planned.problems), "thresholds": limits}, keys)
        decisions.open_next_takes(session, rejected)


def plan_requested(run: Run, shard_size: int) -> RunPlan:
    """Shards of the shots of which people asked for another take that is not made yet."""
    with run.catalog.begin() as session:
        keys = decisions.requested(session)
    return RunPlan(list[Shard](cut(run.catalog.shots(keys), shard_size)))


def finish(run: Run) -> None:
    """Note that the run has come to its end, whatever became of its shots, and write its report."""
    with run.catalog.begin() as session:
        runs.end_run(session, run.id)
    write_report(run)
