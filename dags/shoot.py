"""The tasks that all runs share: plan, then per shard of shots face → compose → refine → score → retake → publish.

Shards flow independently of each other. Between tasks go keys of shots; pictures stay in the bucket. The work itself
is in ``pipeline/stages.py``. A shot that fails is recorded and left out; a task fails only when the database, the
bucket or the service is unreachable, and its next attempt makes only what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias, Param, TriggerRule, chain, get_current_context, task, task_group
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.observability import stats
from form_lists import save_form_lists
from lookbook_run import is_live, open_run, span
from lookbook_runs import POOL, PriorityOfRun

from pipeline.airflow_assets import EVENTS, PUBLISHED, SECONDS_METRIC, SHOTS_METRIC

if TYPE_CHECKING:
    from pipeline.plan import RunPlan
    from pipeline.run import Run

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "content",
    "retries": 3,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": 3,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(hours=2),
    "weight_rule": PriorityOfRun(),
}
"""Arguments of every task: repeated after 20 s, 1 min and 3 min, over which most outages pass."""


SHARD_SIZE_PARAM = Param(
    None,
    type=["null", "integer"],
    minimum=1,
    maximum=500,
    title="Shots per shard",
    section="Technical",
    description="Empty means 8 to 64, by how many shots there are; raised by itself where there would be more than "
    "1024 shards",
)

NAME = "{{ task.op_kwargs['shard']['name'] }}"
"""Shows the SKUs of a shard in the grid, instead of a number."""

Shard = dict[str, Any]


@task(execution_timeout=timedelta(minutes=30))
def plan(priority: str) -> list[Shard]:
    """Plan campaigns, and cut what this run claims of them into shards."""
    from brief.errors import SettingsError
    from brief.plan import PlanError
    from pipeline.plan import plan_run
    from pipeline.run import read_request
    from storage.catalog.errors import CatalogUrlError, RowMissing, SchemaMissing

    try:
        request = read_request(get_current_context()["params"], span(), priority)
        run = open_run()
        save_form_lists(run)
        planned = plan_run(run, request)
    except (PlanError, RowMissing, CatalogUrlError, SchemaMissing, SettingsError) as error:
        raise AirflowFailException(str(error)) from error
    return claimed(run, planned, request.shard_size, request.priority)


def claimed(run: Run, planned: RunPlan, shard_size: int | None, priority: int) -> list[Shard]:
    """Record what the run claims, for its page in the gallery; returns the shards as Airflow carries them: their keys
    stay in the catalog, since each task would be handed those of all."""
    from pipeline.claims import claim_shots

    asked: dict[str, Any] = dict(get_current_context()["params"])
    if (changed := span()) is not None:
        asked["changed"] = [moment.isoformat() for moment in changed]
    shards = claim_shots(run, planned, asked, is_live, shard_size=shard_size, priority=priority)
    return [{"name": shard.name, "number": shard.number} for shard in shards]


@task(pool=POOL, map_index_template=NAME)
def face(shard: Shard) -> list[str]:
    """Draw the portraits of the personas, the identity references of all their shots."""
    from pipeline import stages
    from pipeline.claims import affordable

    run = open_run()
    return stages.face(run, affordable(run, run.catalog.shard_keys(run.id, shard["number"])))


@task(pool=POOL, map_index_template=NAME)
def compose(shard: Shard, keys: list[str]) -> list[str]:
    """Put person, product and place into one picture."""
    from pipeline import stages

    return stages.compose(open_run(), keys)


@task(pool=POOL, map_index_template=NAME)
def refine(shard: Shard, keys: list[str]) -> list[str]:
    """Polish light, texture and faces, where that makes the picture better."""
    from pipeline import stages

    return stages.refine(open_run(), keys)


@task(pool=POOL, map_index_template=NAME)
def score(shard: Shard, keys: list[str]) -> list[str]:
    """Judge each take."""
    from pipeline import stages

    return stages.score(open_run(), keys)


@task(pool=POOL, map_index_template=NAME)
def retake(shard: Shard, keys: list[str]) -> list[str]:
    """Try again, with another seed, what was not good enough."""
    from pipeline import stages

    return stages.retake(open_run(), keys)


@task(map_index_template=NAME, execution_timeout=timedelta(hours=1))
def publish(shard: Shard, keys: list[str]) -> dict[str, int]:
    """Publish what was accepted, open reviews for what is doubtful."""
    from pipeline.settle import settle

    return settle(open_run(), keys, hold=bool(get_current_context()["params"].get("sign_off")))


@task(trigger_rule=TriggerRule.ALL_DONE, execution_timeout=timedelta(minutes=30))
def summary(shards: list[Shard]) -> dict[str, int]:
    """Count what came of the run, and say why shots failed. Fails if shots are left unfinished."""
    from pipeline.claims import RunUnfinished, own_shots
    from pipeline.claims import finish as count

    if shards is None:
        raise AirflowFailException("nothing was planned, since the task 'plan' failed: see its log")
    run = open_run()
    try:
        counts = count(run, own_shots(run))
    except RunUnfinished as error:
        raise AirflowFailException(str(error)) from error
    dag_run = get_current_context()["dag_run"]
    for state, number in counts.items():
        stats.incr(SHOTS_METRIC, number, tags={"state": state, "dag_id": dag_run.dag_id})
    seconds = (datetime.now(UTC) - (dag_run.start_date or dag_run.run_after)).total_seconds()
    stats.gauge(SECONDS_METRIC, seconds, tags={"dag_id": dag_run.dag_id})
    return counts


@task(
    retries=2,
    execution_timeout=timedelta(minutes=5),
    outlets=[AssetAlias(PUBLISHED), Asset(name=EVENTS, uri=EVENTS)],
)
def announce(*, outlet_events: Any) -> dict[str, int]:
    """Tell those who follow a campaign's pictures that there are more of them, and the webhook what happened."""
    from pipeline.airflow_assets import published
    from pipeline.claims import published_by

    run = open_run()
    numbers = published_by(run)
    for campaign, number in numbers.items():
        uri = published(campaign)
        outlet_events[AssetAlias(PUBLISHED)].add(
            Asset(name=uri, uri=uri), extra={"campaign": campaign, "shots": number}
        )
    return numbers


@task_group
def shard(shard: Shard) -> None:
    """One shard's way through the stages."""
    keys: Any = face(shard=shard)
    for stage in (compose, refine, score, retake):
        keys = stage(shard=shard, keys=keys)
    publish(shard=shard, keys=keys)


def shoot(priority: str, between: Sequence[Any] = ()) -> None:
    """Wire the tasks into the DAG that is being defined; ``priority`` is that of runs whose form does not say it,
    ``between`` are tasks between the shards and the summary."""
    finish(plan(priority), between)


def finish(shards: Any, between: Sequence[Any] = ()) -> None:
    """The shards, tasks in ``between``, and what follows them. Telling of it is a teardown: it comes after a run that
    failed or was cancelled too, and does not decide what becomes of the run."""
    chain(
        shard.expand(shard=shards),
        *between,
        summary(shards),
        announce().as_teardown(),  # type: ignore[call-arg]
    )
