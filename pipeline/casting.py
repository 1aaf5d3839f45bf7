"""Portraits of personas without shots: a look at the cast before a campaign."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from brief.recipe import portrait_key
from pipeline.run import Run
from pipeline.stage_job import run_stage
from pipeline.stages import record_portrait
from service.jobs import ItemResult, Stage
from storage.catalog.errors import RowMissing

_LOG = logging.getLogger(__name__)


def cast(run: Run, names: Sequence[str]) -> dict[str, str]:
    """Make the portraits of these personas (none named: of all); returns the object key of each by name.

    A portrait that fails is said in the log and left out.

    Raises:
        RowMissing: a persona that the catalog does not have.
        StageUnfinished, ServiceError: see :func:`pipeline.stage_job.run_stage`.
    """
    known = run.catalog.personas()
    for name in names:
        if name not in known:
            raise RowMissing(f"persona {name!r} is not in the catalog, which has {', '.join(sorted(known))}")
    bundle = run.service.bundle().fingerprint
    wanted = {portrait_key(known[name], bundle): name for name in (names or sorted(known))}
    items = {key: {"portrait_key": key, "persona": known[name]} for key, name in wanted.items()}
    made: dict[str, str] = {}

    def record(result: ItemResult) -> None:
        if result.object is not None:
            name = wanted[result.key]
            made[name] = result.object
            record_portrait(run, known[name], result)

    run_stage(run.service, str(run.id), Stage.FACE, items, record)
    _LOG.info("%d of %d portraits are there", len(made), len(wanted))
    return made
