"""Every night, after each import, and over past days: what changed in the catalog gets its pictures."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import (
    Asset,
    AssetOrTimeSchedule,
    CronDataIntervalTimetable,
    Param,
    dag,
)
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
from shoot import DEFAULT_ARGS, SHARD_SIZE_PARAM, shoot

from brief.settings import Settings
from pipeline.airflow_assets import IMPORTS

PARAMS: dict[str, Any] = {
    "outstanding": Param(
        False,
        type="boolean",
        title="Also what is outstanding",
        description="Also what earlier runs left unfinished, cancelled ones included, whenever its rows changed",
    ),
    "changed_from": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Changed from",
        description="Only what changed on this day or later (UTC); by hand, without days, all that is missing",
    ),
    "changed_to": Param(
        None, type=["null", "string"], format="date", title="Changed to", description="Only up to the end of this day"
    ),
    "dry_run": Param(
        False,
        type="boolean",
        title="Dry run",
        description="Make nothing; the log of `plan` says what would be made, how long it takes and what it costs",
    ),
    "shard_size": SHARD_SIZE_PARAM,
}


@dag(
    # A run has the day before as its data interval. ("0 2 * * *" alone would give it none.)
    schedule=AssetOrTimeSchedule(
        timetable=CronDataIntervalTimetable("0 2 * * *", timezone="UTC"), assets=[Asset(name=IMPORTS, uri=IMPORTS)]
    ),
    # Whoever waits for the pictures in the morning hears of a night that takes too long.
    deadline=DeadlineAlert(
        name="nightly run is late",
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=Settings.read().deadline_hours),
        callback=SyncCallback("lookbook_run.late"),
    ),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params=PARAMS,
    tags=["lookbook", "shoot"],
    description="Nightly, and after imports: make the pictures of what changed, for all active campaigns",
)
def catalog() -> None:
    """### Catalog
    Plans **all active campaigns** and makes the shots of the products, places, personas and campaigns that changed in
    the run's data interval, the day before; and those that another recipe or bundle draws again. An import that tells
    Airflow starts a run for just what it changed. A run by hand makes all that is missing.

    **A backfill makes what changed on each of the past days, one run a day, and what is made already is not made
    again.** It is for days on which the DAG was paused or its runs failed; a row counts on the day of its last change.

    Where two runs want the same shot, the first makes it and the other shares it. What a **cancelled** run left is not
    made by a later night, unless *Also what is outstanding* is chosen.

    **If it stops**: a red task in a shard means that the database, the bucket or the generation service did not answer
    for longer than its retries. Mend it, then *clear* the task: only what is missing is made. A red `plan` says in its
    log which campaign cannot be planned and why. Shots that failed by themselves do not fail the run: `summary` lists
    them with their reasons. Pictures: tab **Images** of the run.
    """
    shoot(priority="night")


catalog()
