"""Runs of Airflow's DAGs as the catalog knows them: what each was asked, and which shots it took up.

A run is named by its DAG and its run id: two DAGs with the same schedule give their runs the same ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from storage.catalog.tables import RunRow, RunShotRow, ShotRow, ShotState
from storage.catalog.upsert import in_parts


class RunKey(NamedTuple):
    """A DAG's id and the id of one of its runs; the DAG's is empty of what was recorded before migration 0003."""

    dag_id: str
    run_id: str

    def __str__(self) -> str:
        return f"{self.dag_id}/{self.run_id}"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run: what it was ``asked`` (params, data interval), and what planning ``found`` (counts, problems)."""

    key: RunKey
    asked: Mapping[str, Any]
    found: Mapping[str, Any]
    started_at: datetime
    ended_at: datetime | None


def record_run(
    session: Session, key: RunKey, asked: Mapping[str, Any], found: Mapping[str, Any], shots: Sequence[str]
) -> None:
    """A run planned and takes up these shots. Recorded again (a task that is tried again), shots are added."""
    values = {"dag_id": key.dag_id, "run_id": key.run_id, "asked": dict(asked), "found": dict(found)}
    statement = insert(RunRow).values(**values, started_at=datetime.now(UTC))
    again = {"asked": statement.excluded.asked, "found": statement.excluded.found, "ended_at": None}
    session.execute(statement.on_conflict_do_update(index_elements=["dag_id", "run_id"], set_=again))
    for part in in_parts(sorted(shots)):
        rows = [{"dag_id": key.dag_id, "run_id": key.run_id, "shot_key": shot} for shot in part]
        session.execute(insert(RunShotRow).values(rows).on_conflict_do_nothing())


def end_run(session: Session, key: RunKey) -> None:
    """A run has come to its end, well or not; one that never planned is not recorded."""
    session.execute(
        update(RunRow)
        .where(RunRow.dag_id == key.dag_id, RunRow.run_id == key.run_id)
        .values(ended_at=datetime.now(UTC))
    )


def run(session: Session, key: RunKey) -> RunRecord | None:
    """One run, or ``None`` where it never planned."""
    row = session.get(RunRow, tuple(key))
    return _record(row) if row else None


def latest_runs(session: Session, limit: int = 50) -> list[RunRecord]:
    """The latest first."""
    query = select(RunRow).order_by(RunRow.started_at.desc(), RunRow.dag_id, RunRow.run_id).limit(limit)
    return [_record(row) for row in session.scalars(query)]


def run_totals(session: Session, key: RunKey) -> dict[ShotState, int]:
    """Number of the run's shots in every state, superseded ones too."""
    query = (
        select(ShotRow.state, func.count())
        .join(RunShotRow, RunShotRow.shot_key == ShotRow.key)
        .where(RunShotRow.dag_id == key.dag_id, RunShotRow.run_id == key.run_id)
        .group_by(ShotRow.state)
    )
    counts: dict[ShotState, int] = dict(session.execute(query).all())
    return {state: counts.get(state, 0) for state in ShotState}


def run_shots(session: Session, key: RunKey) -> list[str]:
    """Keys of the shots that a run took up."""
    query = select(RunShotRow.shot_key).where(RunShotRow.dag_id == key.dag_id, RunShotRow.run_id == key.run_id)
    return list(session.scalars(query.order_by(RunShotRow.shot_key)))


def runs_of(session: Session, shot_key: str) -> list[RunKey]:
    """The runs that took up a shot, the latest first."""
    query = (
        select(RunRow.dag_id, RunRow.run_id)
        .join(RunShotRow, (RunShotRow.dag_id == RunRow.dag_id) & (RunShotRow.run_id == RunRow.run_id))
        .where(RunShotRow.shot_key == shot_key)
        .order_by(RunRow.started_at.desc(), RunRow.dag_id)
    )
    return [RunKey(*row) for row in session.execute(query)]


def _record(row: RunRow) -> RunRecord:
    return RunRecord(RunKey(row.dag_id, row.run_id), row.asked, row.found, row.started_at, row.ended_at)
