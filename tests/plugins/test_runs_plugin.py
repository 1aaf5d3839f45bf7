"""What Airflow itself loads: the days of backfills, how urgent tasks are, what a run finds when it begins."""

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest


@pytest.fixture
def session(airflow_users: None) -> Any:
    """Airflow's own tables, empty of what these tests put in."""
    from airflow import settings
    from airflow.models import import_all_models
    from airflow.models.dagrun import DagRun
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    load_models: Any = import_all_models
    load_models()
    DagRun.metadata.create_all(settings.engine)
    with create_session(scoped=False) as opened:
        opened.execute(delete(Pool))
        opened.execute(delete(DagRun))
        opened.commit()
        yield opened


def run_of(session: Any, dag: str, run: str, conf: dict[str, Any]) -> Any:
    from airflow.models.dagrun import DagRun
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunType

    row = DagRun(dag_id=dag, run_id=run, conf=conf, run_type=DagRunType.MANUAL, state=DagRunState.RUNNING)
    session.add(row)
    session.commit()
    return row


def test_days_come_for_a_backfill_only() -> None:
    from airflow.timetables.base import TimeRestriction
    from lookbook_runs import DaysOnRequest

    timetable = DaysOnRequest.deserialize(DaysOnRequest().serialize())
    first, last = pendulum.datetime(2026, 3, 1), pendulum.datetime(2026, 3, 2)
    asked = TimeRestriction(earliest=first, latest=last, catchup=True)
    day = timetable.next_dagrun_info(last_automated_data_interval=None, restriction=asked)
    assert day is not None
    assert day.data_interval is not None
    assert (day.data_interval.start, day.data_interval.end) == (first, last)
    unasked = TimeRestriction(earliest=first, latest=last, catchup=False)
    assert timetable.next_dagrun_info(last_automated_data_interval=None, restriction=unasked) is None
    assert timetable.summary == "On request"


@pytest.mark.parametrize(("asked", "weight"), [({"priority": "urgent"}, 1002), ({}, 102)])
def test_a_task_is_as_urgent_as_its_run_was_asked_to_be(session: Any, asked: dict[str, Any], weight: int) -> None:
    from lookbook_runs import PriorityOfRun

    run = f"run-{weight}"
    run_of(session, "campaign", run, asked)
    task = SimpleNamespace(dag_id="campaign", priority_weight=100, get_flat_relative_ids=lambda upstream: {"a", "b"})
    assert PriorityOfRun().get_weight(SimpleNamespace(task=task, run_id=run)) == weight


def test_a_run_that_cannot_be_seen_yet_has_its_dags_urgency(session: Any) -> None:
    from lookbook_runs import PriorityOfRun

    task = SimpleNamespace(dag_id="campaign", priority_weight=100, get_flat_relative_ids=lambda upstream: set())
    for run in (None, "not yet there"):
        assert PriorityOfRun().get_weight(SimpleNamespace(task=task, run_id=run)) == 100


def test_a_run_makes_the_pool_that_its_tasks_wait_in(session: Any) -> None:
    from airflow.models.pool import Pool
    from lookbook_runs import POOL, SLOTS, LookbookRuns
    from sqlalchemy import select

    listener: Any = LookbookRuns.listeners[0]
    listener.on_dag_run_running(run_of(session, "upkeep", "u", {}), "")
    assert session.scalar(select(Pool.slots).where(Pool.pool == POOL)) is None
    for run in ("first", "again"):
        listener.on_dag_run_running(run_of(session, "campaign", run, {"priority": "urgent"}), "")
    assert session.scalars(select(Pool.slots).where(Pool.pool == POOL)).all() == [SLOTS]


def test_tasks_of_shards_bear_their_skus_before_they_start(session: Any) -> None:
    """By Airflow's own way of making them: the hook is called in the scheduler, for each as it is made."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.settings import get_policy_plugin_manager, task_instance_mutation_hook
    from lookbook_runs import LookbookRuns
    from sqlalchemy import insert

    run = run_of(session, "campaign", "planned", {})
    shards = [{"name": "MUG-1 (2 shots)", "keys": []}, {"name": "MUG-2 (1 shot)", "keys": []}]
    task = {"task_id": "plan", "map_index": -1}
    of_run = {"dag_id": run.dag_id, "run_id": run.run_id}
    session.execute(insert(TaskInstance).values(id=uuid.uuid4(), pool="default_pool", **of_run, **task))
    session.add(XComModel(key="return_value", value=shards, dag_run_id=run.id, **of_run, **task))
    session.commit()
    listener: Any = LookbookRuns.listeners[0]
    for component in (SimpleNamespace(job_type=None), SimpleNamespace(job_type=None), object()):  # the last is a task
        listener.on_starting(component)
    try:
        names = {}
        for dag, index in (("campaign", 0), ("campaign", 1), ("campaign", 2), ("campaign", -1), ("upkeep", 0)):
            made = SimpleNamespace(dag_id=dag, run_id=run.run_id, map_index=index, _rendered_map_index=None)
            task_instance_mutation_hook(made, dag_run=run)  # type: ignore[arg-type]
            names[dag, index] = made._rendered_map_index
    finally:
        get_policy_plugin_manager().unregister(name="ShardNames")
    assert names == {
        ("campaign", 0): "MUG-1 (2 shots)",
        ("campaign", 1): "MUG-2 (1 shot)",
        ("campaign", 2): None,
        ("campaign", -1): None,
        ("upkeep", 0): None,
    }


def test_the_gallery_is_loaded_when_it_is_first_asked() -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from lookbook_gallery import ImagesLink, LookbookGallery

    (mounted,) = LookbookGallery.fastapi_apps
    outer = FastAPI()
    outer.mount(mounted["url_prefix"], mounted["app"])
    with TestClient(outer, follow_redirects=False) as client:
        answers = [client.get(LookbookGallery.react_apps[0]["bundle_url"]) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    at = SimpleNamespace(dag_id="a dag", run_id="manual__1")
    assert ImagesLink().get_link(None, ti_key=at) == "/gallery/run/a%20dag/manual__1"
