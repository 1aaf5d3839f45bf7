"""What the catalog answers: a shot, a take or a review together with where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from brief.types import BundleInfo, ImageRef, MadeBy, Publication, Scorecard, Shot, Take
from storage.catalog.runs import RunKey
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
        states: how many of the campaign's shots are in each state now.
    """

    new: int
    kept: int
    revived: int
    superseded: int
    left_out: int
    states: Mapping[ShotState, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """What ``shots`` cost together: their ``takes``, and the seconds of all stages on the service."""

    shots: int
    takes: int
    seconds: float

    @property
    def seconds_per_shot(self) -> float | None:
        """``None`` where nothing was measured."""
        return self.seconds / self.shots if self.shots and self.seconds else None


@dataclass(frozen=True, slots=True)
class StageOutput:
    """What a stage left in the bucket: an image or measurements, the seconds it took, and who made it.

    ``seconds`` and ``made_by`` are ``None`` where nobody noted them; recording such an output again keeps what was
    noted before. ``ref.sha256`` may be empty for the same reason.
    """

    ref: ImageRef
    seconds: float | None = None
    made_by: MadeBy | None = None


@dataclass(frozen=True, slots=True)
class TakeRecord:
    """A take and what came of it: ``outputs`` by stage, ``decision`` of a person who was asked about it, and the
    reasons for which they were asked if they ``approved`` it."""

    take: Take
    outputs: Mapping[str, StageOutput] = field(default_factory=dict)
    scorecard: Scorecard | None = None
    decision: Decision | None = None
    approved: tuple[str, ...] = ()

    @property
    def composed(self) -> ImageRef | None:
        return self.outputs["compose"].ref if "compose" in self.outputs else None

    @property
    def refined(self) -> ImageRef | None:
        return self.outputs["refine"].ref if "refine" in self.outputs else None

    @property
    def rejected(self) -> bool:
        """Whether a person turned it down."""
        return self.decision is not None and self.decision.turns_down

    @property
    def made_by(self) -> MadeBy | None:
        """Who made its best picture."""
        best = self.outputs.get("refine") or self.outputs.get("compose")
        return best.made_by if best else None

    @property
    def measured_by(self) -> BundleInfo | None:
        """The bundle, with its scorers, under which it was measured."""
        score = self.outputs.get("score")
        return score.made_by.bundle if score and score.made_by else None

    @property
    def seconds(self) -> dict[str, float]:
        """Per stage, where noted."""
        return {stage: output.seconds for stage, output in self.outputs.items() if output.seconds is not None}


@dataclass(frozen=True, slots=True)
class ShotRecord:
    """A shot and where it stands. ``take`` is the one that was published, else the latest; ``run`` the one that
    published it, else the one that planned it."""

    shot: Shot
    state: ShotState
    reason: str | None
    take: TakeRecord | None
    publication: Publication | None
    run: RunKey
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
