"""On demand, or over past days: one campaign, with a form."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param, dag, get_current_context, task
from form_lists import form_lists, multi_select
from lookbook_run import open_run
from lookbook_runs import WEIGHTS, DaysOnRequest
from shoot import DEFAULT_ARGS, SHARD_SIZE_PARAM, shoot

_KNOWN = form_lists()
_CAMPAIGNS: dict[str, Any] = {"examples": _KNOWN["campaigns"]} if _KNOWN["campaigns"] else {}
PART = "Part of it"


def _day(title: str, what: str) -> Param:
    return Param(None, type=["null", "string"], format="date", title=title, description=what, section="Past days")


def _most(kind: str, title: str, what: str) -> Param:
    least: dict[str, Any] = {"minimum": 1} if kind == "integer" else {"exclusiveMinimum": 0}
    return Param(None, type=["null", kind], title=title, description=what, section="Budget", **least)


PARAMS: dict[str, Any] = {
    "campaign": Param(
        None,  # a DAG that can be backfilled must have a value for each field
        type=["null", "string"],
        title="Campaign",
        minLength=1,
        description="Its name in the catalog (needed); what you type is completed",
        **_CAMPAIGNS,
    ),
    "reprocess": Param(
        "missing",
        type="string",
        enum=["missing", "failed", "rejected", "all"],
        title="What to make",
        values_display={
            "missing": "what has no picture yet",
            "failed": "also what failed before",
            "rejected": "also what was rejected before (new takes)",
            "all": "everything; pictures that exist and are whole are kept",
        },
    ),
    "priority": Param(
        "normal",
        type="string",
        enum=["urgent", "normal", "night"],
        title="Priority",
        values_display={
            "urgent": "urgent: before all others",
            "normal": "normal: before nightly runs",
            "night": "when nothing else wants the GPU",
        },
    ),
    "dry_run": Param(
        False,
        type="boolean",
        title="Dry run",
        description="Make nothing; the log of `plan` says what would be made, how long it takes and what it costs",
    ),
    "sign_off": Param(
        False,
        type="boolean",
        title="Sign-off",
        description="Hold what is good by its scores until a person agrees (*Required Actions*); after 24 hours "
        "without an answer it is left to single reviews, and the run goes on",
    ),
    "products": multi_select("Products", "SKUs; none means all of the campaign", _KNOWN["products"], section=PART),
    "products_like": Param(
        None,
        type=["null", "string"],
        title="SKUs like",
        description="`MUG-*`: also all whose SKU begins so",
        section=PART,
    ),
    "environments": multi_select("Places", "None means all of the campaign", _KNOWN["environments"], section=PART),
    "personas": multi_select("Personas", "None means all of the campaign", _KNOWN["personas"], section=PART),
    "framings": multi_select(
        "Framings", "None means all of the campaign", ["held", "plinth", "close-up", "still"], section=PART
    ),
    "variants": Param(
        None,
        type=["null", "integer"],
        minimum=1,
        title="Variants",
        description="At most so many of each combination; empty means all of the campaign",
        section=PART,
    ),
    "changed_from": _day(
        "Changed from", "Only what was new or changed on this day or later (UTC): a backfill in one run"
    ),
    "changed_to": _day("Changed to", "Only up to the end of this day"),
    "most_shots": _most("integer", "Shots", "Make at most so many"),
    "most_seconds": _most("number", "GPU seconds", "Make what takes at most so long, by what shots took so far"),
    "most_money": _most("number", "Money", "Make what costs at most so much, at the price of an hour that is set"),
    "shard_size": SHARD_SIZE_PARAM,
}


PUBLISH, LEAVE = "Publish them", "Leave them to single reviews"


def sign_off() -> list[Any]:
    """Ask a person whether what the run holds may be published; without an answer the run goes on by itself."""

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def is_held() -> bool:
        from pipeline.sign_off import question

        asked = question(open_run()) if get_current_context()["params"]["sign_off"] else None
        if asked is None:
            return False
        get_current_context()["ti"].xcom_push("subject", asked.subject)
        get_current_context()["ti"].xcom_push("body", asked.body)
        return True

    ask = HITLOperator(
        task_id="sign_off",
        subject="{{ ti.xcom_pull(task_ids='is_held', key='subject') }}",
        body="{{ ti.xcom_pull(task_ids='is_held', key='body') }}",
        options=[PUBLISH, LEAVE],
        defaults=[LEAVE],
        response_timeout=timedelta(hours=24),
        execution_timeout=None,
    )

    @task
    def publish_held(answer: dict[str, Any]) -> dict[str, int]:
        from pipeline.sign_off import agree

        if PUBLISH not in answer["chosen_options"]:
            return {}
        return agree(open_run(), (answer.get("responded_by_user") or {}).get("name") or "sign-off")

    return [is_held(), ask, publish_held(ask.output)]  # type: ignore[arg-type]


@dag(
    schedule=DaysOnRequest(),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=4,
    default_args={**DEFAULT_ARGS, "priority_weight": WEIGHTS["normal"]},
    params=PARAMS,
    tags=["lookbook", "shoot"],
    description="On demand: make the pictures of one campaign, or of a part of it",
)
def campaign() -> None:
    """### Campaign
    Makes the pictures of **one campaign** that are missing, or on request also those that failed or were rejected.

    **A backfill makes what was new or changed for the campaign on each of the past days**, one run a day, or over the
    whole range in one run by *Changed from* and *Changed to*. What is made already is not made again.

    - in the browser: *Trigger*, *Changed from* and *to*; or *Backfill*, the campaign's name, and a tick at *Override
      parameters on existing runs*, without which Airflow sends none of the form's fields
    - in a shell: `airflow backfill create --dag-id campaign --from-date 2026-11-01 --to-date 2026-11-20 --dag-run-conf
      '{"campaign": "NAME"}'`

    **If it stops**: fix what the red task's log names, then *clear* that task: only what is missing is made. Shots
    that failed by themselves do not fail the run: `summary` lists them with their reasons. Pictures: tab **Images**
    of the run; doubtful ones wait under *Reviews*.
    """
    shoot(priority="normal", between=sign_off())


campaign()
