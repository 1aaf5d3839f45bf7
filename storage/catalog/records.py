"""What the catalog answers: a shot, a take or a review together with where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from brief.types import Asset, ImageRef, Scorecard, Shot, Take
from storage.catalog.tables import Decision, ShotState


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """What recording a plan changed: numbers of shots.

    Attributes:
        new: never planned before.
        kept: planned before and still wanted.
        revived: had been superseded and are wanted again.
        superseded: had been wanted and are not any more.
        left_out: did not fit into the campaign's budget.
    """

    new: int
    kept: int
    revived: int
    superseded: int
    left_out: int


@dataclass(frozen=True, slots=True)
class TakeRecord:
    """A take and what came of it; ``seconds`` per stage."""

    take: Take
    composed: ImageRef | None
    refined: ImageRef | None
    scorecard: Scorecard | None
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ShotRecord:
    """A shot and where it stands. ``take`` is the one that was published, else the latest; ``run_id`` the run that
    published it, else the one that planned it."""

    shot: Shot
    state: ShotState
    reason: str | None
    take: TakeRecord | None
    asset: Asset | None
    run_id: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ShotPage:
    """A page of shots, and how many there are on all pages."""

    shots: tuple[ShotRecord, ...]
    total: int


@dataclass(frozen=True, slots=True)
class ReviewRecord:
    """A take that waits, or waited, for a person's answer."""

    id: int
    shot: Shot
    take: TakeRecord
    reasons: tuple[str, ...]
    opened_at: datetime
    decision: Decision | None
    decided_by: str | None
    note: str | None
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class ShotHistory:
    """All that is known of one shot: takes by number, reviews by time."""

    record: ShotRecord
    takes: tuple[TakeRecord, ...]
    reviews: tuple[ReviewRecord, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of the ``planned`` shots have passed each stage. A shot that failed has passed them all."""

    planned: int
    composed: int
    refined: int
    scored: int
    finished: int
    failed: int
