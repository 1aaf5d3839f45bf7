"""Portraits of personas without shots: a look at the cast before a campaign, and another candidate if one is better."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace

from brief.recipe import portrait_key
from brief.types import ImageRef
from pipeline.run import Run
from pipeline.stage_job import run_stage
from pipeline.stages import record_portrait
from service.protocol import ItemResult, Stage
from storage.bucket import keys as object_keys
from storage.catalog.errors import RowMissing

_LOG = logging.getLogger(__name__)


def cast(run: Run, names: Sequence[str]) -> dict[str, str]:
    """Make the portraits of these personas (none named: of all); returns the object key of each by name.

    A portrait that fails is logged and left out.

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

    shown = {key: f"portrait of {name}" for key, name in wanted.items()}
    run_stage(run.service, str(run.id), Stage.FACE, items, record, shown)
    _LOG.info("%d of %d portraits are there", len(made), len(wanted))
    return made


def candidates(run: Run, name: str) -> list[str]:
    """Object keys of what the portrait of persona ``name`` was chosen from, the first with the persona's own seed.

    Empty where it has not been made, or its bundle draws only one.

    Raises:
        RowMissing: a persona that the catalog does not have.
        ServiceError: the generation service does not answer.
    """
    personas = run.catalog.personas()
    if name not in personas:
        raise RowMissing(f"persona {name!r} is not in the catalog, which has {', '.join(sorted(personas))}")
    # A portrait that was chosen is the persona's own from then on; what it was chosen from lies where it did.
    drawn = replace(personas[name], portrait=None)
    return list(run.objects.list_keys(object_keys.candidates(portrait_key(drawn, run.service.bundle().fingerprint))))


def choose(run: Run, name: str, candidate: str, who: str) -> ImageRef:
    """Make ``candidate``, one of :func:`candidates`, the portrait of persona ``name``; its shots are planned again.

    Raises:
        ValueError: it is none of them.
        RowMissing, ServiceError: see :func:`candidates`.
    """
    known = candidates(run, name)
    if candidate not in known:
        raise ValueError(f"{candidate!r} is no candidate of {name!r}; there are {', '.join(known) or 'none'}")
    data = run.objects.get(candidate)
    sha256 = hashlib.sha256(data).hexdigest()
    key = object_keys.brought_portrait(sha256, ".png")
    run.objects.put(key, data, object_keys.content_type(key))
    chosen = ImageRef(key, sha256)
    run.catalog.choose_portrait(name, chosen, who)
    return chosen
