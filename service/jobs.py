"""What callers and the generation service say to each other: stages, jobs and what became of each item.

No torch, so that Airflow's tasks can speak to the service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from brief.recipe import digest
from brief.types import MadeBy, Measurements


class Stage(StrEnum):
    """The stages that the service runs; publishing is the catalog's work."""

    FACE = "face"
    COMPOSE = "compose"
    REFINE = "refine"
    SCORE = "score"


class JobState(StrEnum):
    """Where a job is. Items that fail do not fail their job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        return self in {JobState.DONE, JobState.CANCELLED}


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one item.

    Attributes:
        key: the portrait's key (stage face) or the take's key.
        object: key of the object in the bucket, ``None`` if the item failed.
        sha256: of that object's bytes, hex.
        seconds: share of its batch's time; 0 for what was kept.
        kept: the output existed already and nothing was made.
        error: why there is no output, in words a person can act on.
        transient: the error lies with the bucket or the machine, not with the item: trying again later can help.
        measured: of stage score, what was measured of the take.
        made_by: who made the object, also when it was kept; ``None`` if it failed, or nobody noted it.
    """

    key: str
    object: str | None = None
    sha256: str | None = None
    seconds: float = 0.0
    kept: bool = False
    error: str | None = None
    transient: bool = False
    measured: Measurements | None = None
    made_by: MadeBy | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the service answers it; ``results`` grows while it runs, in the order in which items finish."""

    id: str
    stage: Stage
    state: JobState
    total: int
    done: int
    results: tuple[ItemResult, ...] = field(default=())

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Job:
        """Build from the service's answer."""
        return _JOB.validate_python(body)


_JOB = TypeAdapter(Job)


def job_id(run: str, stage: Stage, keys: Sequence[str]) -> str:
    """The id under which ``run`` asks for ``stage`` of the items with ``keys``: the same question, the same id.

    A task that is tried again within its run so joins the job that is still running instead of starting another.
    """
    return f"{stage.value}-{digest([run, stage.value, sorted(keys)])}"
