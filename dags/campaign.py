"""On demand: one campaign, with a form."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag
from shoot import DEFAULT_ARGS, SHARD_SIZE, shoot

PARAMS: dict[str, Any] = {
    "campaign": Param(type="string", title="Campaign", minLength=1, description="Its name in the catalog"),
    "reprocess": Param(
        "missing",
        type="string",
        enum=["missing", "failed", "rejected", "all"],
        title="What to make",
        values_display={
            "missing": "what has no picture yet",
            "failed": "also what failed before",
            "rejected": "also what was rejected before (new takes)",
            "all": "everything; pictures that exist are kept",
        },
    ),
    "dry_run": Param(False, type="boolean", title="Dry run", description="Only say in the log what would be made"),
    "shard_size": Param(
        SHARD_SIZE,
        type="integer",
        minimum=1,
        maximum=500,
        title="Shots per shard",
        section="Advanced",
        description="Raised by itself where there would be more than 1024 shards",
    ),
}


@dag(
    schedule=None,
    max_active_runs=4,
    default_args=DEFAULT_ARGS,
    params=PARAMS,
    render_template_as_native_obj=True,
    tags=["lookbook", "shoot"],
    description="On demand: make the pictures of one campaign",
)
def campaign() -> None:
    """### Campaign
    Makes the pictures of **one campaign** that are missing, or on request also those that failed or were rejected.

    **If it stops**: mend what the red task's log names, then *clear* that task: only what is missing is made. Shots
    that failed by themselves do not fail the run: `summary` lists them with their reasons. Pictures: tab **Images**
    of the run; doubtful ones wait under *Reviews*.
    """
    shoot(
        campaigns="{{ [params.campaign] }}",
        reprocess="{{ params.reprocess }}",
        shard_size="{{ params.shard_size }}",
        dry_run="{{ params.dry_run }}",
    )


campaign()
