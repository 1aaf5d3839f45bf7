"""Every night: what is new or changed in the catalog gets its pictures, for all campaigns."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import dag
from shoot import DEFAULT_ARGS, shoot


@dag(
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["lookbook", "shoot"],
    description="Nightly: make the pictures that all campaigns want and do not have",
)
def catalog() -> None:
    """### Catalog
    Plans **all campaigns** of the catalog and makes the shots that have no picture yet. A row that did not change
    makes nothing new: a second run over an unchanged catalog ends at once with "nothing new".

    **If it stops**: a red task in a shard means that the database, the bucket or the generation service was gone for
    longer than its retries. Mend it, then *clear* the task (or wait for the next night): only what is missing is made.
    A red `plan` says in its log which campaign cannot be planned and why. Shots that failed by themselves do not
    fail the run: `summary` lists them with their reasons. Pictures: tab **Images** of the run.
    """
    shoot()


catalog()
