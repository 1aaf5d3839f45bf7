"""On demand: which adapter drew what in a picture, for whoever wonders why it looks as it does."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task
from airflow.sdk.exceptions import AirflowFailException
from lookbook_run import open_run
from lookbook_runs import POOL, WEIGHTS
from shoot import DEFAULT_ARGS

PARAMS: dict[str, Any] = {
    "shots": Param(
        [],
        type="array",
        items={"type": "string", "pattern": "^[0-9a-f]+$"},
        title="Shots",
        description="Their keys, one a line, as a shot's page in the gallery says them",
    ),
}


@dag(
    schedule=None,
    max_active_runs=2,
    default_args={**DEFAULT_ARGS, "priority_weight": WEIGHTS["urgent"]},
    params=PARAMS,
    render_template_as_native_obj=True,
    tags=["lookbook", "review"],
    description="On demand: heat maps of which adapter drew what",
)
def heat_maps() -> None:
    """### Heat maps
    Draws the best take of each shot once more and watches: a sheet of each adapter's share (face, product, place) in
    every part of the picture, beside its references on the shot's page, and the dimension *attention*, the least share
    of an adapter's work that lies in its own region. The pictures stay as they are. *Heat maps* on a shot's page in the
    gallery starts it.
    """

    @task(pool=POOL)
    def explain(shots: list[str]) -> dict[str, str]:
        from pipeline import stages

        said = stages.explain(open_run(), shots)
        for shot, sheet in said.items():
            print(f"{shot}: {sheet}")
        if not any(sheet.endswith(".png") for sheet in said.values()):
            raise AirflowFailException("no heat maps were made; the lines above say why")
        return said

    explain("{{ params.shots }}")  # type: ignore[arg-type]  # a template that renders to a list


heat_maps()
