"""What came of a run or of a campaign, in numbers: shots, takes, causes of failure, machine time."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from sqlalchemy import ColumnElement, Select, func, literal, select, text, tuple_
from sqlalchemy.orm import Session

from storage.catalog import runs
from storage.catalog.runs import RunKey, RunRecord
from storage.catalog.shots import UNFINISHED
from storage.catalog.tables import (
    CampaignRow,
    CampaignState,
    PortraitRow,
    RunShotRow,
    ShotRow,
    ShotState,
    TakeOutputRow,
    TakeRow,
)

STAGES = ("face", "compose", "refine", "score")
GROUPS: Mapping[str, ColumnElement[str | None]] = {
    "persona": ShotRow.persona,  # type: ignore[dict-item]
    "environment": ShotRow.environment,  # type: ignore[dict-item]
    "framing": ShotRow.framing,  # type: ignore[dict-item]
}
"""By what a report breaks its shots down."""
BINS = 24
"""Of the histograms."""
MOST_ROWS = 20_000
"""Shots without a published picture whose causes a report looks at."""
MOST_SCORED = 5_000
"""Takes whose scores a report looks at, the latest first."""
ENOUGH, HARDLY = 8, 0.2
"""Of so many judged shots a share accepted below this counts as "fails nearly always"."""
WITHOUT = (ShotState.FAILED, ShotState.REJECTED, ShotState.REVIEW)


@dataclass(frozen=True, slots=True)
class Share:
    """Shots of one persona, place or framing by what became of them."""

    name: str
    accepted: int = 0
    waiting: int = 0
    rejected: int = 0
    failed: int = 0
    unfinished: int = 0

    @property
    def judged(self) -> int:
        return self.accepted + self.waiting + self.rejected

    @property
    def hardly_ever(self) -> bool:
        """Whether it was tried often and hardly ever accepted."""
        return self.judged >= ENOUGH and self.accepted < HARDLY * self.judged


@dataclass(frozen=True, slots=True)
class Affected:
    """A shot that has a cause of failure in common with others."""

    shot: str
    sku: str
    environment: str


@dataclass(frozen=True, slots=True)
class Cause:
    """Why shots have no published picture: what their reasons have in common, and one of them word for word."""

    state: ShotState
    cause: str
    example: str
    shots: tuple[Affected, ...]


@dataclass(frozen=True, slots=True)
class Histogram:
    """How a dimension's scores are spread: numbers of takes in equal bins from 0 to 1, and what is accepted from."""

    dimension: str
    counts: tuple[int, ...]
    accept: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """Numbers of the shots of a run, or of a campaign as it stands.

    Attributes:
        takes: takes that were scored meanwhile.
        seconds: machine time at the generation service by stage.
        over_time: pictures scored, in equal parts of the time from ``started_at`` to ``ended_at`` (or now).
    """

    title: str
    asked: Mapping[str, object]
    started_at: datetime | None
    ended_at: datetime | None
    states: Mapping[ShotState, int]
    takes: int
    groups: Mapping[str, tuple[Share, ...]]
    causes: tuple[Cause, ...]
    seconds: Mapping[str, float]
    over_time: tuple[int, ...]
    scores: tuple[Histogram, ...]

    @property
    def shots(self) -> int:
        return sum(self.states.values())

    @property
    def accepted(self) -> int:
        return self.states[ShotState.PUBLISHED]

    @property
    def takes_per_accepted(self) -> float | None:
        """How many takes an accepted picture costs, those of shots that were not accepted included."""
        return self.takes / self.accepted if self.accepted else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Personas, places and framings that are tried often and hardly ever accepted."""
        return _hardly_ever(self.groups)


@dataclass(frozen=True, slots=True)
class CampaignNumbers:
    """A campaign as it stands; ``seconds`` of machine time so far."""

    name: str
    title: str
    state: CampaignState
    states: Mapping[ShotState, int]
    seconds: float = 0.0

    @property
    def shots(self) -> int:
        return sum(count for state, count in self.states.items() if state is not ShotState.SUPERSEDED)

    @property
    def unfinished(self) -> int:
        return sum(self.states.get(state, 0) for state in UNFINISHED)


@dataclass(frozen=True, slots=True)
class RunNumbers:
    """A run and how many of its shots are in each state."""

    record: RunRecord
    states: Mapping[ShotState, int]

    @property
    def shots(self) -> int:
        return sum(self.states.values())

    @property
    def unfinished(self) -> int:
        return sum(self.states.get(state, 0) for state in UNFINISHED)


@dataclass(frozen=True, slots=True)
class _Scope:
    """Keys of the shots that are reported on, and the time within which outputs count."""

    keys: Select[str]
    since: datetime | None = None
    until: datetime | None = None

    def made(self, column: ColumnElement[datetime]) -> list[ColumnElement[bool]]:
        found = [column >= self.since] if self.since else []
        return [*found, column <= self.until] if self.until else found


def run_report(session: Session, key: RunKey) -> Report | None:
    """The report of a run, or ``None`` where it never planned. Its takes and seconds are those that came about for its
    shots while it ran, by whichever of the runs that shared them."""
    record = runs.run(session, key)
    if record is None:
        return None
    of_run = select(RunShotRow.shot_key).where(RunShotRow.dag_id == key.dag_id, RunShotRow.run_id == key.run_id)
    scope = _Scope(of_run, record.started_at, record.ended_at)
    limits = {str(name): float(limit["accept"]) for name, limit in record.found.get("thresholds", {}).items()}
    return _report(session, scope, str(key), dict(record.asked), limits)


def campaign_report(session: Session, name: str) -> Report:
    """The report of all that a campaign wants, whenever it was made."""
    wanted = select(ShotRow.key).where(ShotRow.campaign == name, ShotRow.state != ShotState.SUPERSEDED)
    return _report(session, _Scope(wanted), name, {}, {})


def warnings_of(session: Session, campaigns: Collection[str]) -> tuple[str, ...]:
    """Personas, places and framings that these campaigns tried often and that were hardly ever accepted, before more is
    made with them."""
    wanted = select(ShotRow.key).where(ShotRow.campaign.in_(campaigns), ShotRow.state != ShotState.SUPERSEDED)
    return _hardly_ever(_counts(session, _Scope(wanted))[1])


def campaign_numbers(session: Session, *, archived: bool = False) -> list[CampaignNumbers]:
    """Every campaign by name, archived ones only where asked for."""
    states: dict[str, Counter[ShotState]] = defaultdict(Counter)
    seconds: dict[str, float] = defaultdict(float)
    counted = select(ShotRow.campaign, ShotRow.state, func.count(), func.sum(ShotRow.seconds))
    for campaign, state, count, spent in session.execute(counted.group_by(ShotRow.campaign, ShotRow.state)):
        states[campaign][state] = count
        seconds[campaign] += spent
    query = select(CampaignRow.name, CampaignRow.title, CampaignRow.state).order_by(CampaignRow.name)
    if not archived:
        query = query.where(CampaignRow.state != CampaignState.ARCHIVED)
    return [
        CampaignNumbers(name, title, state, states[name], seconds[name])
        for name, title, state in session.execute(query)
    ]


def run_numbers(session: Session, limit: int) -> list[RunNumbers]:
    """The latest runs first."""
    records = runs.latest_runs(session, limit)
    query = (
        select(RunShotRow.dag_id, RunShotRow.run_id, ShotRow.state, func.count())
        .join(ShotRow, ShotRow.key == RunShotRow.shot_key)
        .where(tuple_(RunShotRow.dag_id, RunShotRow.run_id).in_([tuple(record.key) for record in records]))
        .group_by(RunShotRow.dag_id, RunShotRow.run_id, ShotRow.state)
    )
    states: dict[RunKey, Counter[ShotState]] = defaultdict(Counter)
    for dag_id, run_id, state, count in session.execute(query):
        states[RunKey(dag_id, run_id)][state] = count
    return [RunNumbers(record, states[record.key]) for record in records]


@lru_cache(maxsize=10_000)
def cause_of(reason: str) -> tuple[str, ...]:
    """What a shot's reason has in common with others': without names, digests and numbers; a doubtful picture may have
    several causes."""
    if scored := re.findall(r"(\w+) [\d.]+ is below [\d.]+: ([^;]+)", reason):
        return tuple(f"{dimension}: {words}" for dimension, words in scored)
    words = re.sub(r"'(?:catalog/)?(packshot|photo|portrait|take)s/[^']*'", r"the \1", reason)
    words = re.sub(r" \([^()]*\)|https?://\S+", "", words)
    words = re.sub(r"'[^']*'|\"[^\"]*\"|\b[0-9a-f]{8,}\b", "…", words)
    words = re.sub(r"\b(approved|rejected|withdrawn|sent back) by [^:]+", r"\1 by a person", words)
    return (re.sub(r"(…[ ,]*)+… ", "… ", re.sub(r"\b\d[\d.,]*\b", "…", words)),)


def _hardly_ever(groups: Mapping[str, Sequence[Share]]) -> tuple[str, ...]:
    return tuple(
        f"{kind} {each.name}: {each.accepted} of {each.judged} accepted"
        for kind, shares in groups.items()
        for each in shares
        if each.hardly_ever
    )


def _report(
    session: Session, scope: _Scope, title: str, asked: Mapping[str, object], limits: Mapping[str, float]
) -> Report:
    states, groups = _counts(session, scope)
    takes, over_time, seconds = _outputs(session, scope)
    return Report(
        title=title,
        asked=asked,
        started_at=scope.since,
        ended_at=scope.until,
        states=states,
        takes=takes,
        groups=groups,
        causes=_causes(session, scope),
        seconds=seconds,
        over_time=over_time,
        scores=_histograms(session, scope, limits),
    )


_SHARE = {
    ShotState.PUBLISHED: "accepted",
    ShotState.REVIEW: "waiting",
    ShotState.REJECTED: "rejected",
    ShotState.FAILED: "failed",
}


def _counts(session: Session, scope: _Scope) -> tuple[dict[ShotState, int], dict[str, tuple[Share, ...]]]:
    """Shots in every state, and those that are not superseded by each of :data:`GROUPS`; in one pass over them."""
    columns = tuple(GROUPS.values())
    sets = func.grouping_sets(tuple_(ShotRow.state), *(tuple_(ShotRow.state, column) for column in columns))
    query = select(func.grouping(*columns), func.coalesce(*columns), ShotRow.state, func.count())
    states = dict.fromkeys(ShotState, 0)
    found: dict[str, dict[str, Counter[str]]] = {kind: defaultdict(Counter) for kind in GROUPS}
    # A bit of ``grouping`` is set for each column that its group does not have, the last column's is the lowest.
    last = len(columns) - 1
    kinds = {(2 ** len(columns) - 1) ^ (1 << (last - place)): kind for place, kind in enumerate(GROUPS)}
    for without, name, state, count in session.execute(query.where(ShotRow.key.in_(scope.keys)).group_by(sets)):
        if without not in kinds:
            states[state] = count
        elif state is not ShotState.SUPERSEDED:
            found[kinds[without]][name or "nobody"][_SHARE.get(state, "unfinished")] += count
    groups = {kind: tuple(Share(name, **by[name]) for name in sorted(by)) for kind, by in found.items()}
    return states, groups


def _causes(session: Session, scope: _Scope) -> tuple[Cause, ...]:
    query = select(ShotRow.key, ShotRow.sku, ShotRow.environment, ShotRow.state, ShotRow.reason)
    query = query.where(ShotRow.key.in_(scope.keys), ShotRow.state.in_(WITHOUT), ShotRow.reason.is_not(None))
    found: dict[tuple[ShotState, str], list[Affected]] = defaultdict(list)
    examples: dict[tuple[ShotState, str], str] = {}
    for key, sku, environment, state, reason in session.execute(query.order_by(ShotRow.key).limit(MOST_ROWS)):
        for cause in cause_of(reason or ""):
            found[state, cause].append(Affected(key, sku, environment))
            examples.setdefault((state, cause), reason or "")
    causes = [Cause(*about, examples[about], tuple(shots)) for about, shots in found.items()]
    return tuple(sorted(causes, key=lambda each: (WITHOUT.index(each.state), -len(each.shots), each.cause)))


def _outputs(session: Session, scope: _Scope) -> tuple[int, tuple[int, ...], dict[str, float]]:
    """Number of takes scored, when they were, and machine time by stage; in one pass over what stages left."""
    bin_of: ColumnElement[int] = literal(0)
    if scope.since is not None:
        begin, end = scope.since.timestamp(), (scope.until or datetime.now(UTC)).timestamp() + 1
        bin_of = func.width_bucket(func.extract("epoch", TakeOutputRow.created_at), begin, end, BINS)
    query = (
        select(TakeOutputRow.stage, bin_of.label("bin"), func.count(), func.sum(TakeOutputRow.seconds))
        .join(TakeRow, TakeRow.key == TakeOutputRow.take_key)
        .where(TakeRow.shot_key.in_(scope.keys), *scope.made(TakeOutputRow.created_at))  # type: ignore[arg-type]
        .group_by(TakeOutputRow.stage, text("bin"))
    )
    scored: Counter[int] = Counter()
    seconds: dict[str, float] = defaultdict(float)
    for stage, number, count, spent in session.execute(query):
        seconds[stage] += spent or 0.0
        if stage == "score":
            scored[number] += count
    people = select(ShotRow.persona).where(ShotRow.key.in_(scope.keys), ShotRow.persona.is_not(None))
    portraits = select(func.sum(PortraitRow.seconds)).where(
        PortraitRow.persona.in_(people),
        *scope.made(PortraitRow.created_at),  # type: ignore[arg-type]
    )
    seconds["face"] = session.scalar(portraits) or 0.0
    over_time = () if scope.since is None else tuple(scored[number + 1] for number in range(BINS))
    return scored.total(), over_time, {stage: seconds[stage] for stage in STAGES}


def _histograms(session: Session, scope: _Scope, limits: Mapping[str, float]) -> tuple[Histogram, ...]:
    query = select(TakeRow.scorecard).where(TakeRow.shot_key.in_(scope.keys), TakeRow.scorecard.is_not(None))
    query = query.where(*scope.made(TakeRow.updated_at)).order_by(TakeRow.updated_at.desc())  # type: ignore[arg-type]
    counts: dict[str, list[int]] = defaultdict(lambda: [0] * BINS)
    for card in session.scalars(query.limit(MOST_SCORED)):
        for dimension, value in (card.values if card else {}).items():
            counts[dimension][min(BINS - 1, int(value * BINS))] += 1
    return tuple(Histogram(name, tuple(counts[name]), limits.get(name)) for name in sorted(counts))
