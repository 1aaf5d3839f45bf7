"""What the fields of a form offer: names in the catalog, kept in one of Airflow's Variables.

Reading a DAG file must not ask the catalog's database, and a file would have to be shared between hosts. So each
``plan``, which reads the catalog anyway, writes the Variable when the names changed, and the DAG processor reads it.
Tasks read the DAG file too, and do without.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow.sdk import Variable, get_parsing_context

if TYPE_CHECKING:
    from pipeline.run import Run

VARIABLE = "lookbook_form_lists"
MOST = 500
"""Names of one kind; beyond that a list helps nobody, and the name is typed."""
KINDS = ("campaigns", "environments", "personas")


def form_lists() -> dict[str, list[str]]:
    """Names by kind; empty where none are known yet."""
    nothing: dict[str, list[str]] = {kind: [] for kind in KINDS}
    if get_parsing_context().dag_id is not None:  # a task reads the file
        return nothing
    return nothing | json.loads(Variable.get(VARIABLE, default=None) or "{}")


def keep_form_lists(run: Run) -> None:
    """Have the forms offer what the catalog has now."""
    from pipeline.request import names_for_forms

    lists: dict[str, Any] = {kind: names[:MOST] for kind, names in names_for_forms(run).items()}
    text = json.dumps(lists, ensure_ascii=False, sort_keys=True)
    if Variable.get(VARIABLE, default=None) != text:
        Variable.set(VARIABLE, text, description="What the forms of Lookbook offer; written by each task 'plan'")
