"""Runs of Airflow's DAGs as the catalog knows them: what each was asked, and which shots it claimed.

A run is named by its DAG and its run id: two DAGs with the same schedule give their runs the same ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Integer, Text, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from storage.catalog.database import array_of, in_parts
from storage.catalog.tables import PublicationRow, RunRow, RunShotRow, ShotRow, ShotState, TakeOutputRow, TakeRow

TAKEN_AT_ONCE = 10_000
"""Shots of a run in one statement, as two arrays."""


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
    priority: int = 0
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """The run that makes a shot, and how urgent that run is."""

    run: RunKey
    priority: int


def lock_claims(session: Session) -> None:
    """Let runs claim shots one after the other, until the transaction ends."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("lookbook: shots of runs", 0))))


def open_runs(session: Session, besides: RunKey) -> list[RunKey]:
    """Runs that planned and have not come to their end, the latest first."""
    query = select(RunRow.dag_id, RunRow.run_id).where(RunRow.ended_at.is_(None)).order_by(RunRow.started_at.desc())
    return [key for row in session.execute(query) if (key := RunKey(*row)) != besides]


def claims(session: Session, shots: Sequence[str], besides: RunKey) -> dict[str, Claim]:
    """Which of these shots open runs make; where several do, the most urgent."""
    found: dict[str, Claim] = {}
    query = (
        select(RunShotRow.shot_key, RunRow.dag_id, RunRow.run_id, RunRow.priority)
        .join(RunRow, (RunRow.dag_id == RunShotRow.dag_id) & (RunRow.run_id == RunShotRow.run_id))
        .where(RunRow.ended_at.is_(None), ~RunShotRow.shared)
        .order_by(RunRow.priority, RunRow.started_at.desc())
    )
    for part in in_parts(shots, TAKEN_AT_ONCE):
        given = array_of(part, Text)
        for shot, dag_id, run_id, priority in session.execute(query.where(RunShotRow.shot_key == func.any(given))):
            if (key := RunKey(dag_id, run_id)) != besides:
                found[shot] = Claim(key, priority)
    return found


def record_run(
    session: Session,
    key: RunKey,
    asked: Mapping[str, Any],
    found: Mapping[str, Any],
    shards: Sequence[Sequence[str]],
    *,
    shared: Sequence[str] = (),
    priority: int = 0,
) -> None:
    """A run planned and claims these shots. Recorded again (a task that is tried again), shots are added, and the
    shards are the new ones.

    Args:
        shards: keys of the shots to make, by shard.
        shared: further shots of the run, which another run makes.
    """
    values = {"dag_id": key.dag_id, "run_id": key.run_id, "asked": dict(asked), "found": dict(found)}
    statement = insert(RunRow).values(**values, priority=priority, started_at=datetime.now(UTC))
    again: dict[str, Any] = {name: statement.excluded[name] for name in ("asked", "found", "priority")}
    again |= {"ended_at": None, "cancelled": False}
    session.execute(statement.on_conflict_do_update(index_elements=["dag_id", "run_id"], set_=again))
    mine = (RunShotRow.dag_id == key.dag_id, RunShotRow.run_id == key.run_id)
    session.execute(update(RunShotRow).where(*mine, RunShotRow.shard.is_not(None)).values(shard=None))
    made = [(shot, number) for number, shots in enumerate(shards) for shot in shots]
    _record_shots(session, key, [*made, *((shot, None) for shot in shared)])


def _record_shots(session: Session, key: RunKey, taken: Sequence[tuple[str, int | None]]) -> None:
    """Keys of a run's shots with the numbers of their shards; none where another run makes the shot."""
    for part in in_parts(sorted(taken), TAKEN_AT_ONCE):
        keys, numbers = zip(*part, strict=True)
        given = select(
            literal(key.dag_id),
            literal(key.run_id),
            func.unnest(array_of(keys, Text)).label("shot_key"),
            func.unnest(array_of(numbers, Integer)).label("shard"),
        ).subquery()
        columns = ["dag_id", "run_id", "shot_key", "shard", "shared"]
        taking = insert(RunShotRow).from_select(columns, select(given, given.c.shard.is_(None)))
        session.execute(
            taking.on_conflict_do_update(
                index_elements=["dag_id", "run_id", "shot_key"],
                set_={"shared": taking.excluded.shared, "shard": taking.excluded.shard},
            )
        )


def end_run(session: Session, key: RunKey, *, cancelled: bool = False) -> None:
    """A run has come to its end, well or not; one that never planned is not recorded.

    Args:
        cancelled: somebody ended it before its summary.
    """
    session.execute(
        update(RunRow)
        .where(RunRow.dag_id == key.dag_id, RunRow.run_id == key.run_id)
        .values(ended_at=datetime.now(UTC), cancelled=cancelled)
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
    """Keys of the shots that a run claimed."""
    query = select(RunShotRow.shot_key).where(RunShotRow.dag_id == key.dag_id, RunShotRow.run_id == key.run_id)
    return list(session.scalars(query.order_by(RunShotRow.shot_key)))


def own_shots(session: Session, key: RunKey) -> list[str]:
    """Keys of the shots that a run makes itself, as it planned last."""
    query = select(RunShotRow.shot_key).where(RunShotRow.dag_id == key.dag_id, RunShotRow.run_id == key.run_id)
    return list(session.scalars(query.where(RunShotRow.shard.is_not(None)).order_by(RunShotRow.shot_key)))


def shared_shots(session: Session, key: RunKey) -> dict[str, ShotState]:
    """Where the shots stand that a run left to others."""
    query = select(ShotRow.key, ShotRow.state).join(RunShotRow, RunShotRow.shot_key == ShotRow.key)
    query = query.where(RunShotRow.dag_id == key.dag_id, RunShotRow.run_id == key.run_id, RunShotRow.shared)
    return dict(session.execute(query).all())


def spent(session: Session, key: RunKey) -> float:
    """Seconds that the services worked on the shots that a run makes, since it began."""
    query = (
        select(func.sum(TakeOutputRow.seconds))
        .join(TakeRow, TakeRow.key == TakeOutputRow.take_key)
        .join(RunShotRow, RunShotRow.shot_key == TakeRow.shot_key)
        .join(RunRow, (RunRow.dag_id == RunShotRow.dag_id) & (RunRow.run_id == RunShotRow.run_id))
        .where(RunRow.dag_id == key.dag_id, RunRow.run_id == key.run_id, ~RunShotRow.shared)
        .where(TakeOutputRow.updated_at >= RunRow.started_at)
    )
    return session.scalar(query) or 0.0


def published_by(session: Session, key: RunKey) -> dict[str, list[str]]:
    """Keys of the shots that a run published, by campaign."""
    query = select(ShotRow.campaign, ShotRow.key).join(PublicationRow, PublicationRow.shot_key == ShotRow.key)
    query = query.where(PublicationRow.dag_id == key.dag_id, PublicationRow.run_id == key.run_id)
    found: dict[str, list[str]] = {}
    for campaign, shot in session.execute(query.order_by(ShotRow.campaign, ShotRow.key)):
        found.setdefault(campaign, []).append(shot)
    return found


def runs_of(session: Session, shot_key: str) -> list[RunKey]:
    """The runs that claimed a shot, the latest first."""
    query = (
        select(RunRow.dag_id, RunRow.run_id)
        .join(RunShotRow, (RunShotRow.dag_id == RunRow.dag_id) & (RunShotRow.run_id == RunRow.run_id))
        .where(RunShotRow.shot_key == shot_key)
        .order_by(RunRow.started_at.desc(), RunRow.dag_id)
    )
    return [RunKey(*row) for row in session.execute(query)]


def _record(row: RunRow) -> RunRecord:
    return RunRecord(
        RunKey(row.dag_id, row.run_id), row.asked, row.found, row.started_at, row.ended_at, row.priority, row.cancelled
    )
