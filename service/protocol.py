"""What callers and the generation service say to each other: a submission and its items, checked as JSON and against
their keys before anything is made; jobs, and what became of each item.

No torch, so that Airflow's tasks can speak to the service.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from brief.errors import ServiceError
from brief.recipe import RECIPES, digest, key_of, portrait_key, take
from brief.types import MadeBy, Measurements, Persona, Shot, Take

MAX_ITEMS = 1024
_KEY = re.compile(r"[0-9a-f]{32}")


class Stage(StrEnum):
    """The stages that the service runs; publishing is the catalog's work."""

    FACE = "face"
    COMPOSE = "compose"
    REFINE = "refine"
    SCORE = "score"
    EXPLAIN = "explain"
    """Draws a take again to say which adapter drew what; no part of a run, asked for by people."""


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
        measured: of stages score and explain, what was measured of the take.
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


class KeyMismatch(ServiceError, ValueError):
    """An item whose key does not follow from its contents under the loaded bundle."""


@dataclass(frozen=True, slots=True)
class FaceItem:
    """A portrait that is wanted."""

    portrait_key: str
    persona: Persona

    @property
    def key(self) -> str:
        return self.portrait_key

    @property
    def name(self) -> str:
        """What a person calls it, for logs."""
        return f"portrait of {self.persona.name!r}"


@dataclass(frozen=True, slots=True)
class TakeItem:
    """A take that a stage shall work on."""

    shot: Shot
    take: Take

    @property
    def key(self) -> str:
        return self.take.key

    @property
    def name(self) -> str:
        """What a person calls it, for logs."""
        return f"take {self.take.number} of {self.shot.product.sku!r} in {self.shot.environment.name!r}"


Item = FaceItem | TakeItem


class _Job(BaseModel):
    """What every submission says: an id of the caller's choice, a stage, and items, each with a key of its own."""

    model_config = ConfigDict(extra="forbid")
    id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")
    stage: Stage
    items: Sequence[Item]

    @model_validator(mode="after")
    def _keys_are_digests_and_differ(self) -> Self:
        keys = [item.key for item in self.items]
        for key in (*keys, *(item.shot.key for item in self.items if isinstance(item, TakeItem))):
            # Keys become names of objects, so nothing but a digest gets through.
            if not _KEY.fullmatch(key):
                raise ValueError(f"items: key {key!r} is not a digest of 32 hex characters")
        if len(set(keys)) != len(keys):
            raise ValueError("items: two of them have the same key")
        return self

    def digest(self) -> str:
        """Identifies what is asked, whatever the id."""
        text = json.dumps(self.model_dump(mode="json", exclude={"id"}), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


class FaceJob(_Job):
    """Portraits that are wanted."""

    stage: Literal[Stage.FACE]
    items: list[FaceItem] = Field(min_length=1, max_length=MAX_ITEMS)


class TakesJob(_Job):
    """Takes that a stage shall work on."""

    stage: Literal[Stage.COMPOSE, Stage.REFINE, Stage.SCORE, Stage.EXPLAIN]
    items: list[TakeItem] = Field(min_length=1, max_length=MAX_ITEMS)


JobRequest = Annotated[FaceJob | TakesJob, Field(discriminator="stage")]
"""The body of a submission."""


def check_key(item: Item, bundle: str) -> None:
    """Make sure that what is made under a key is what the key says.

    Raises:
        KeyMismatch: the item was planned for another bundle or another version of the recipes.
    """
    if isinstance(item, FaceItem):
        right = portrait_key(item.persona, bundle) == item.portrait_key
    else:
        known = item.shot.recipe in RECIPES
        right = known and key_of(item.shot, bundle) == item.shot.key == item.take.shot_key
        again = take(item.shot.key, item.shot.seed, item.take.number, item.take.changes, item.take.words)
        right = right and again.key == item.take.key
    if not right:
        raise KeyMismatch(
            f"{item.name} was planned for another model bundle or recipe version than this service has loaded; "
            "run the campaign again, which plans its shots again"
        )
