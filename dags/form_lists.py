"""What the fields of a form offer: names in the catalog, kept in a small file.

Reading a DAG file must not ask the catalog's database. Each ``plan``, which reads the catalog anyway, writes the file
when the names changed, and whoever reads a DAG file reads it: 0.1 ms. (One of Airflow's Variables would need no shared
folder, but the first that the DAG processor reads has it build Airflow's API: 5 s of CPU, in which on a busy machine
the import of the file times out. Seen.) Where the folder is not shared, the fields take what is typed.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.configuration import AIRFLOW_HOME
from airflow.sdk import Param

from brief.settings import Settings

if TYPE_CHECKING:
    from pipeline.run import Run

FILE = Settings.read().form_lists or Path(AIRFLOW_HOME) / "lookbook_form_lists.json"
"""In a folder that the workers and the DAG processor share."""
MOST = 500
"""Names of one kind; beyond that a list helps nobody, and the names are typed."""
KINDS = ("campaigns", "products", "environments", "personas")


def form_lists() -> dict[str, list[str]]:
    """Names by kind; empty where none are known yet."""
    nothing: dict[str, list[str]] = {kind: [] for kind in KINDS}
    try:
        known: dict[str, list[str]] = json.loads(FILE.read_text(encoding="utf-8"))
        return nothing | known
    except (OSError, ValueError):
        return nothing


def multi_select(title: str, what: str, names: list[str], **more: Any) -> Param:
    """A field to choose several of ``names``; free lines, one name a line, where none are known."""
    offered: dict[str, Any] = {"examples": names} if names else {}
    return Param([], type="array", items={"type": "string"}, title=title, description=what, **offered, **more)


def save_form_lists(run: Run) -> None:
    """Have the forms offer what the catalog has now."""
    from pipeline.run import names_for_forms

    found = names_for_forms(run, MOST + 1)
    # A field takes nothing but what its list has: better none than a part. What is typed for a campaign is completed.
    lists = {kind: names if len(names) <= MOST else [] for kind, names in found.items()}
    lists["campaigns"] = found["campaigns"][:MOST]
    if lists == form_lists():
        return
    draft = FILE.with_suffix(f".{os.getpid()}")
    try:
        draft.write_text(json.dumps(lists, ensure_ascii=False, sort_keys=True), encoding="utf-8")
        draft.replace(FILE)
    except OSError as error:
        logging.getLogger(__name__).warning(
            "forms offer no names of the catalog: %s cannot be written (%s)", FILE, error
        )
