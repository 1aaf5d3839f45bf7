"""The stages of one shard of shots, in the order in which a run takes them.

Each takes the keys of shots and returns the keys of those that go on; a shot that fails is recorded with its reason
and left out, and the others go on. What is recorded already is not asked for again, so every stage can be repeated.
All raise what makes an Airflow task try again when the database, the bucket or the service is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brief.recipe import recipe_on, take
from brief.types import ImageRef, Scorecard, Shot, Take, Verdict
from generation.score.verdict import suggest_changes
from pipeline.run import Run
from pipeline.stage_job import run_stage
from service.jobs import ItemResult, Stage
from storage.catalog.records import TakeRecord
from storage.catalog.tables import ShotState

_LOG = logging.getLogger(__name__)
_STATES = {Stage.COMPOSE: ShotState.COMPOSED, Stage.REFINE: ShotState.REFINED}
_RANKS = (Verdict.ACCEPT, Verdict.REVIEW, Verdict.RETAKE, Verdict.REJECT)


@dataclass(frozen=True, slots=True)
class Current:
    """A shot and the take that is worked on; ``record`` is what the catalog knows of the take, if anything."""

    shot: Shot
    take: Take
    record: TakeRecord | None

    def has(self, stage: Stage) -> bool:
        """Whether the catalog has the stage's output."""
        if self.record is None:
            return False
        done = {
            Stage.COMPOSE: self.record.composed,
            Stage.REFINE: self.record.refined,
            Stage.SCORE: self.record.scorecard,
        }
        return done[stage] is not None


def face(run: Run, keys: Sequence[str]) -> list[str]:
    """Portraits of the personas in these shots; another shard that wants the same portrait finds it made."""
    shots = run.catalog.shots(keys)
    wanted = {shot.portrait_key: shot.persona for shot in shots if shot.portrait_key and shot.persona}
    items = {key: {"portrait_key": key, "persona": persona} for key, persona in wanted.items()}
    failed: set[str] = set()

    def record(result: ItemResult) -> None:
        if result.error is None:
            return
        failed.add(result.key)
        for shot in shots:
            if shot.portrait_key == result.key:
                run.catalog.record_failure(shot.key, Stage.FACE.value, result.error)

    run_stage(run.service, run.run_id, Stage.FACE, items, record)
    return [shot.key for shot in shots if shot.portrait_key not in failed]


def compose(run: Run, keys: Sequence[str]) -> list[str]:
    """The current take of each shot; a shot that was rejected before gets a new take."""
    return _make(run, Stage.COMPOSE, _current(run, keys, anew=_rejected(run, keys)))


def refine(run: Run, keys: Sequence[str]) -> list[str]:
    """Refine the current take of each shot."""
    return _make(run, Stage.REFINE, _current(run, keys))


def score(run: Run, keys: Sequence[str]) -> list[str]:
    """Score the current take of each shot."""
    return _make(run, Stage.SCORE, _current(run, keys))


def retake(run: Run, keys: Sequence[str]) -> list[str]:
    """Give shots whose take asks for it another one, until it is good enough or ``max_takes`` are used up.

    Each further take has a seed of its own, and changes that answer what the scorecard found wrong.
    """
    going, numbers = list(keys), run.service.bundle().recipe
    while again := _to_retake(run, going, numbers):
        lost = {each.shot.key for each in again}
        for stage in (Stage.COMPOSE, Stage.REFINE, Stage.SCORE):
            made = set(_make(run, stage, again))
            again = _current(run, [each.shot.key for each in again if each.shot.key in made])
        lost -= {each.shot.key for each in again}
        going = [key for key in going if key not in lost]
    return going


def best_take(takes: Sequence[TakeRecord]) -> TakeRecord | None:
    """The scored take with the best verdict, and among equals with the highest mean score."""
    scored = [each for each in takes if each.scorecard is not None]
    return min(scored, key=_rank) if scored else None


def _rank(record: TakeRecord) -> tuple[int, float]:
    card = record.scorecard
    if card is None:
        raise ValueError(f"take {record.take.key} has no scorecard")
    return _RANKS.index(card.verdict), -sum(card.values.values()) / max(1, len(card.values))


def _rejected(run: Run, keys: Sequence[str]) -> set[str]:
    return {key for key, state in run.catalog.states(keys).items() if state is ShotState.REJECTED}


def _current(run: Run, keys: Sequence[str], anew: set[str] | None = None) -> list[Current]:
    """The latest take of each shot, the first where there is none, a further one for shots in ``anew``."""
    takes = run.catalog.takes(keys)
    found = []
    for shot in run.catalog.shots(keys):
        latest = takes[shot.key][-1] if takes[shot.key] else None
        if latest is None:
            found.append(Current(shot, take(shot.key, shot.seed, 1), None))
        elif anew and shot.key in anew:
            found.append(_next(shot, latest))
        else:
            found.append(Current(shot, latest.take, latest))
    return found


def _next(shot: Shot, latest: TakeRecord, changes: Mapping[str, float] | None = None) -> Current:
    return Current(shot, take(shot.key, shot.seed, latest.take.number + 1, changes), None)


def _to_retake(run: Run, keys: Sequence[str], numbers: Mapping[str, float]) -> list[Current]:
    """The next take of shots that need one, and takes that an attempt before this one left half-way.

    ``numbers`` are the recipe numbers of the loaded bundle.
    """
    found = []
    for each in _current(run, keys):
        card = each.record.scorecard if each.record else None
        if each.record is None or card is None:
            found.append(each)
        elif card.verdict is Verdict.RETAKE and each.take.number < each.shot.max_takes:
            used = recipe_on(numbers, each.shot.recipe, each.take.changes)
            changes = {**each.take.changes, **suggest_changes(card, used)}
            found.append(_next(each.shot, each.record, changes))
    return found


def _make(run: Run, stage: Stage, current: Sequence[Current]) -> list[str]:
    """Run a stage on what lacks its output; returns the shots that have it now."""
    todo = {each.take.key: each for each in current if not each.has(stage)}
    failed: set[str] = set()

    def record(result: ItemResult) -> None:
        each = todo[result.key]
        if result.error is not None:
            failed.add(each.shot.key)
            run.catalog.record_failure(each.shot.key, stage.value, result.error)
        else:
            _record_output(run, stage, each, result)

    items = {key: {"shot": each.shot, "take": each.take} for key, each in todo.items()}
    run_stage(run.service, run.run_id, stage, items, record)
    return [each.shot.key for each in current if each.shot.key not in failed]


def _record_output(run: Run, stage: Stage, each: Current, result: ItemResult) -> None:
    seconds = None if result.kept else result.seconds
    if stage is Stage.SCORE and result.scorecard is not None:
        card = result.scorecard
        scorecard = Scorecard(card["values"], Verdict(card["verdict"]), tuple(card["reasons"]))
        run.catalog.record_scorecard(each.take.key, scorecard, seconds)
    elif result.object is not None and result.sha256 is not None:
        run.catalog.record_take(each.take, _STATES[stage], ImageRef(result.object, result.sha256), seconds)
