"""On demand: portraits of personas, to look at before a campaign uses them."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowFailException
from form_lists import form_lists, multi_select
from lookbook_run import open_run
from lookbook_runs import POOL
from shoot import DEFAULT_ARGS

PARAMS: dict[str, Any] = {
    "personas": multi_select("Personas", "Whose portraits; none means all", form_lists()["personas"]),
}


@dag(
    schedule=None,
    max_active_runs=2,
    default_args=DEFAULT_ARGS,
    params=PARAMS,
    render_template_as_native_obj=True,
    tags=["lookbook", "casting"],
    description="On demand: draw the portraits of chosen personas",
)
def casting() -> None:
    """### Casting
    Draws the portraits of the chosen personas, or of all, without making any shots. The portraits are in the gallery
    under *Personas*. To change a face, change the persona's features or seed in the catalog and run this again.
    """

    @task(pool=POOL)
    def portraits(personas: list[str]) -> dict[str, str]:
        from pipeline.casting import cast
        from storage.catalog.errors import RowMissing

        try:
            return cast(open_run(), personas)
        except RowMissing as error:
            raise AirflowFailException(str(error)) from error

    portraits("{{ params.personas }}")  # type: ignore[arg-type]  # a template that renders to a list


casting()
