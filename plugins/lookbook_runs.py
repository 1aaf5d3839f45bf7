"""When runs come to be, and whose tasks go first, where Airflow's own choices do not do.

Every program of Airflow loads this file, so nothing heavy is imported here.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any

from airflow.listeners import hookimpl
from airflow.policies import hookimpl as policy
from airflow.sdk.plugins_manager import AirflowPlugin
from airflow.task.priority_strategy import PriorityWeightStrategy
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable

SHOOTING = ("catalog", "campaign", "retakes", "casting")
"""DAGs whose tasks wait for a GPU."""
POOL, SLOTS = "gpu", 2
"""The pool whose slots bound how many jobs wait at the generation services: two for each keep it busy."""
WEIGHTS = {"night": 1, "normal": 100, "urgent": 1000}
"""``priority_weight`` of a run's tasks by the word of its form, or of its DAG."""


class DaysOnRequest(CronDataIntervalTimetable):
    """Days from midnight to midnight, UTC, for backfills only: by itself nothing runs.

    Airflow takes a DAG without a schedule for one that cannot be backfilled.
    """

    description = "On request; a backfill has one run a day"

    def __init__(self) -> None:
        super().__init__("0 0 * * *", timezone="UTC")

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> DaysOnRequest:
        return cls()

    def serialize(self) -> dict[str, Any]:
        return {}

    @property
    def summary(self) -> str:
        return "On request"

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The next day for a backfill, which asks with ``catchup``; nothing for the scheduler, which does not."""
        if not restriction.catchup:
            return None
        return super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval, restriction=restriction
        )


class PriorityOfRun(PriorityWeightStrategy):
    """Tasks of a run as urgent as its form says (``priority``), and among them what is furthest first, so that the
    first pictures are published while others still wait."""

    def get_weight(self, ti: Any) -> int:
        """By the run's conf, else by the task's own ``priority_weight``, plus the number of tasks before it."""
        task = ti.task
        weight = WEIGHTS.get(_asked(task.dag_id, ti.run_id) or "", task.priority_weight)
        return int(weight + len(task.get_flat_relative_ids(upstream=True)))


def _asked(dag_id: str, run_id: str | None) -> str | None:
    """The priority that a run was asked for. While a run is being made its row cannot be seen yet; its mapped tasks,
    which are those that wait for a GPU, are made later."""
    if run_id is None:
        return None
    try:
        return _asked_of(dag_id, run_id)
    except LookupError:
        return None


@lru_cache(maxsize=256)
def _asked_of(dag_id: str, run_id: str) -> str | None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session(scoped=False) as session:
        row = session.execute(select(DagRun.conf).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).first()
    if row is None:
        raise LookupError(run_id)
    return (row[0] or {}).get("priority")


class ShardNames:
    """Tasks of a shard bear its SKUs in the UI from the moment they are made; by ``map_index_template`` alone they
    would be numbers until each has started."""

    @policy
    def task_instance_mutation_hook(self, task_instance: Any, dag_run: Any) -> None:
        """Name a task that was just made for one of the run's shards."""
        ti = task_instance
        if ti.dag_id not in SHOOTING or ti.map_index < 0:
            return
        try:
            names = _shard_names(ti.dag_id, ti.run_id)
        except LookupError:
            return
        if ti.map_index < len(names):
            ti._rendered_map_index = names[ti.map_index]  # Airflow has no public way to set it


@lru_cache(maxsize=16)
def _shard_names(dag_id: str, run_id: str) -> tuple[str, ...]:
    """As the run's ``plan`` returned them."""
    from airflow.models.xcom import XCOM_RETURN_KEY, XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    returned = (XComModel.task_id == "plan", XComModel.key == XCOM_RETURN_KEY)
    with create_session(scoped=False) as session:
        of_run = select(XComModel.value).where(XComModel.dag_id == dag_id, XComModel.run_id == run_id, *returned)
        row = session.execute(of_run).first()
    if row is None or not isinstance(shards := XComModel.deserialize_value(row), list):
        raise LookupError(run_id)
    return tuple(str(shard["name"]) for shard in shards)


class RunBegins:
    """What the scheduler sees to when it starts, and when a run begins, within its own transaction."""

    @hookimpl
    def on_starting(self, component: Any) -> None:
        """Names for the tasks of shards. Which program starts here is not known yet; only a scheduler makes any."""
        if not hasattr(component, "job_type"):  # a task, which is none of Airflow's jobs
            return
        from airflow.settings import get_policy_plugin_manager

        policies, name = get_policy_plugin_manager(), ShardNames.__name__
        if not policies.has_plugin(name):
            policies.register(ShardNames(), name)

    @hookimpl
    def on_dag_run_running(self, dag_run: Any, msg: str) -> None:
        """There is a pool for the run's tasks, and they are as urgent as its form says."""
        from sqlalchemy.orm import object_session

        _shard_names.cache_clear()  # a run that begins again may have planned otherwise
        session = object_session(dag_run)
        if session is None or dag_run.dag_id not in SHOOTING:
            return
        _make_pool(session)
        if (weight := WEIGHTS.get((dag_run.conf or {}).get("priority") or "")) is not None:
            _weigh(session, dag_run, weight)


def _make_pool(session: Any) -> None:
    """Tasks of a pool that does not exist would wait for ever, and no task can see that."""
    from airflow.models.pool import Pool
    from sqlalchemy import select

    if session.scalar(select(Pool.id).where(Pool.pool == POOL)) is None:
        logging.getLogger(__name__).warning("there is no pool %r: made with %d slots", POOL, SLOTS)
        what = "Jobs that wait at the generation services, two for each"
        session.add(Pool(pool=POOL, slots=SLOTS, description=what, include_deferred=True))


def _weigh(session: Any, dag_run: Any, weight: int) -> None:
    """The tasks that the run began with: when they were made, nobody could see its conf."""
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select

    of_run = (TaskInstance.dag_id == dag_run.dag_id, TaskInstance.run_id == dag_run.run_id)
    for ti in session.scalars(select(TaskInstance).where(*of_run)):
        of_dag = max(each for each in WEIGHTS.values() if each <= ti.priority_weight)
        ti.priority_weight += weight - of_dag


class LookbookRuns(AirflowPlugin):
    """The days of campaign backfills, the priority of runs, and the names of their shards."""

    name = "lookbook_runs"
    listeners = [RunBegins()]  # noqa: RUF012
    timetables = [DaysOnRequest]  # noqa: RUF012  # Airflow reads plain lists
    priority_weight_strategies = [PriorityOfRun]  # noqa: RUF012
