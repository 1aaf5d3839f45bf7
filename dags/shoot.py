"""The tasks that all runs share: plan, then per shard of shots face → compose → refine → score → retake → publish.

Shards flow independently of each other. Between tasks go keys of shots; pictures stay in the bucket. The work itself
is in ``pipeline/stages.py``. A shot that fails is recorded and left out; a task fails only when the database, the
bucket or the service is unreachable, and its next attempt makes only what is missing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule, WeightRule, get_current_context, task, task_group
from airflow.sdk.exceptions import AirflowFailException
from lookbook_run import open_run

if TYPE_CHECKING:
    from pipeline.plan import RunPlan
    from pipeline.run import Run

SHARD_SIZE = 8
"""Shots of a shard: enough to fill batches, few enough that a task is a matter of minutes."""

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "content",
    "retries": 3,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": 3,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(hours=2),
    # What is furthest goes first, so that the first pictures are published while others still wait.
    "weight_rule": WeightRule.UPSTREAM,
}
"""Arguments of every task: repeated after 20 s, 1 min and 3 min, over which most outages pass."""

GPU = "gpu"
"""The pool whose slots bound how many jobs wait at the generation services: two for each keep it busy."""

NAME = "{{ task.op_kwargs['shard']['name'] }}"
"""Shows the SKUs of a shard in the grid, instead of a number."""

Shard = dict[str, Any]


@task(execution_timeout=timedelta(minutes=30))
def plan(campaigns: list[str] | None, reprocess: str, shard_size: int, dry_run: bool) -> list[Shard]:
    """Plan the campaigns and cut what is outstanding into shards."""
    from brief.plan import PlanError
    from pipeline.plan import plan_run
    from storage.catalog.errors import RowMissing
    from storage.catalog.shots import Reprocess

    try:
        run = open_run()
        planned = plan_run(run, campaigns, Reprocess(reprocess), shard_size, dry_run=dry_run)
    except (PlanError, RowMissing) as error:
        raise AirflowFailException(str(error)) from error
    return taken_up(run, planned)


def taken_up(run: Run, planned: RunPlan) -> list[Shard]:
    """Record what the run takes up, for its page in the gallery; returns the shards as Airflow carries them."""
    from pipeline.taking_up import take_up

    context = get_current_context()
    context["ti"].xcom_push("problems", planned.problems)
    take_up(run, planned, dict(context["params"]))
    return [{"name": shard.name, "keys": list(shard.keys)} for shard in planned.shards]


@task(pool=GPU, map_index_template=NAME)
def face(shard: Shard) -> list[str]:
    """Draw the portraits of the personas, the identity references of all their shots."""
    from pipeline import stages

    return stages.face(open_run(), shard["keys"])


@task(pool=GPU, map_index_template=NAME)
def compose(shard: Shard, keys: list[str]) -> list[str]:
    """Put person, product and place into one picture."""
    from pipeline import stages

    return stages.compose(open_run(), keys)


@task(pool=GPU, map_index_template=NAME)
def refine(shard: Shard, keys: list[str]) -> list[str]:
    """Polish light, texture and faces, where that makes the picture better."""
    from pipeline import stages

    return stages.refine(open_run(), keys)


@task(pool=GPU, map_index_template=NAME)
def score(shard: Shard, keys: list[str]) -> list[str]:
    """Judge each take."""
    from pipeline import stages

    return stages.score(open_run(), keys)


@task(pool=GPU, map_index_template=NAME)
def retake(shard: Shard, keys: list[str]) -> list[str]:
    """Try again, with another seed, what was not good enough."""
    from pipeline import stages

    return stages.retake(open_run(), keys)


@task(map_index_template=NAME, execution_timeout=timedelta(hours=1))
def publish(shard: Shard, keys: list[str]) -> dict[str, int]:
    """Publish what was accepted, open reviews for what is doubtful."""
    from pipeline.publish import settle

    return settle(open_run(), keys)


@task(trigger_rule=TriggerRule.ALL_DONE, execution_timeout=timedelta(minutes=30))
def summary(shards: list[Shard]) -> dict[str, int]:
    """Count what came of the run, and say why shots failed. Fails if shots are left unfinished."""
    from pipeline.plan import RunUnfinished, summarise
    from pipeline.taking_up import finish

    if shards is None:
        raise AirflowFailException("nothing was planned, since the task 'plan' failed: see its log")
    problems = get_current_context()["ti"].xcom_pull(task_ids="plan", key="problems") or {}
    run = open_run()
    finish(run)
    try:
        return summarise(run, [key for shard in shards for key in shard["keys"]], problems)
    except RunUnfinished as error:
        raise AirflowFailException(str(error)) from error


@task_group
def shard(shard: Shard) -> None:
    """One shard's way through the stages."""
    keys: Any = face(shard=shard)
    for stage in (compose, refine, score, retake):
        keys = stage(shard=shard, keys=keys)
    publish(shard=shard, keys=keys)


def shoot(
    campaigns: Any = None, reprocess: Any = "missing", shard_size: Any = SHARD_SIZE, dry_run: Any = False
) -> None:
    """Wire the tasks into the DAG that is being defined; arguments may be templates that render to native values."""
    shards: Any = plan(campaigns, reprocess, shard_size, dry_run)
    shard.expand(shard=shards) >> summary(shards)
