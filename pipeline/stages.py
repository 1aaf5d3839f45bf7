"""The stages of one shard of shots, in the order in which a run takes them.

Each takes the keys of shots and returns the keys of those that go on; a shot that fails is recorded with its reason
and left out, and the others go on. What is recorded and still in the bucket, whole, is not asked for again, so every
stage can be repeated; what is missing or damaged is made again, with what it is made from.
All raise what makes an Airflow task try again when the database, the bucket or the service does not answer.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

from brief.recipe import recipe_on, take
from brief.types import BundleInfo, ImageRef, Persona, Shot, Take
from pipeline.judge import best_take, judge_take, suggest_changes, wants_retake
from pipeline.run import Run
from pipeline.stage_job import run_stage
from service.protocol import ItemResult, Stage
from storage.bucket.errors import ObjectDamaged, ObjectMissing
from storage.catalog.records import StageOutput, TakeRecord
from storage.catalog.tables import ShotState

_LOG = logging.getLogger(__name__)
_READS = {Stage.REFINE: Stage.COMPOSE, Stage.SCORE: Stage.REFINE}
"""The stage whose picture a stage reads."""


@dataclass(frozen=True, slots=True)
class Current:
    """A shot and the take that is worked on; ``record`` is what the catalog knows of the take, if anything."""

    shot: Shot
    take: Take
    record: TakeRecord | None

    def output(self, stage: Stage) -> StageOutput | None:
        """What the catalog has of the stage's output."""
        return self.record.outputs.get(stage) if self.record else None


def face(run: Run, keys: Sequence[str]) -> list[str]:
    """Portraits of the personas in these shots; another shard that wants the same portrait finds it made."""
    shots = run.catalog.shots(keys)
    wanted = {shot.portrait_key: shot.persona for shot in shots if shot.portrait_key and shot.persona}
    known = run.catalog.portrait_outputs(wanted)
    todo = {key: persona for key, persona in wanted.items() if not is_whole(run, known.get(key))}
    failed: set[str] = set()

    def record(result: ItemResult) -> None:
        if result.error is None:
            record_portrait(run, todo[result.key], result)
            return
        failed.add(result.key)
        for shot in shots:
            if shot.portrait_key == result.key:
                run.catalog.record_failure(shot.key, Stage.FACE.value, result.error)

    items = {key: {"portrait_key": key, "persona": persona} for key, persona in todo.items()}
    names = {key: f"portrait of {persona.name}" for key, persona in todo.items()}
    run_stage(run.service, _asking(run, lost=not known.keys().isdisjoint(todo)), Stage.FACE, items, record, names)
    return [shot.key for shot in shots if shot.portrait_key not in failed]


def record_portrait(run: Run, persona: Persona, result: ItemResult) -> None:
    """Note a portrait that was synthesised, or was there; one that the team brought is in the persona's row."""
    if persona.portrait is None and result.object is not None and result.sha256 is not None:
        run.catalog.record_portrait(result.key, persona, _output(result, result.object, result.sha256))


def _asking(run: Run, *, lost: bool) -> str:
    """On whose behalf a job is asked for. The service answers what it was asked before with what it said then, which
    is of no use once the output was lost: that is another question."""
    return f"{run.id} {uuid4()}" if lost else str(run.id)


def is_whole(run: Run, output: StageOutput | None) -> bool:
    """Whether an output of ours is in the bucket as it was recorded. What is damaged is deleted, since it would
    otherwise be kept where it is to be made again."""
    if output is None:
        return False
    try:
        run.objects.get(output.ref.key, output.ref.sha256 or None)
    except ObjectMissing:
        _LOG.warning("%s is missing and is made again", output.ref.key)
        return False
    except ObjectDamaged as error:
        _LOG.warning("%s; it is made again", error)
        run.objects.delete(output.ref.key)
        return False
    return True


def compose(run: Run, keys: Sequence[str]) -> list[str]:
    """The current take of each shot. A rejected shot is left alone: its next take, where a run or a person wants one,
    is opened before (:mod:`pipeline.claims`), and clearing a task wants none."""
    states = run.catalog.states(keys)
    wanted = [key for key in keys if states.get(key) is not ShotState.REJECTED]
    return _make(run, Stage.COMPOSE, _current(run, wanted))


def refine(run: Run, keys: Sequence[str]) -> list[str]:
    """Refine the current take of each shot."""
    return _make(run, Stage.REFINE, _current(run, keys))


def score(run: Run, keys: Sequence[str]) -> list[str]:
    """Measure the current take of each shot, also what other scorers measured before, and judge it."""
    return _make(run, Stage.SCORE, _current(run, keys))


def measure_again(run: Run, keys: Sequence[str]) -> list[str]:
    """Measure all scored takes of these shots that other scorers measured than those of today."""
    takes = run.catalog.takes(keys)
    scored = [
        Current(shot, record.take, record)
        for shot in run.catalog.shots(keys)
        for record in takes[shot.key]
        if record.scorecard is not None
    ]
    return _make(run, Stage.SCORE, scored)


def explain(run: Run, keys: Sequence[str]) -> dict[str, str]:
    """Have the service say which adapter drew what in the best take of each shot: a sheet of heat maps beside the take
    (:func:`storage.bucket.keys.attribution`), and the dimension ``attention`` among its scores.

    Returns:
        Per shot the sheet's object key, or why there is none.
    """
    takes = run.catalog.takes(keys)
    best = {shot.key: (shot, best_take(takes[shot.key])) for shot in run.catalog.shots(keys)}
    todo = {record.take.key: Current(shot, record.take, record) for shot, record in best.values() if record}
    bundle, said = run.catalog.calibrated(run.service.bundle()), dict.fromkeys(keys, "it has no take that was scored")

    def record(result: ItemResult) -> None:
        each = todo[result.key]
        said[each.shot.key] = result.error or str(result.object)
        card = each.record.scorecard if each.record else None
        if card is not None and result.measured is not None:
            measured = replace(card.measured, values={**card.measured.values, **result.measured.values})
            run.catalog.record_scorecard(each.take.key, judge_take(measured, each.shot, bundle))

    items = {key: {"shot": each.shot, "take": each.take} for key, each in todo.items()}
    names = {key: _in_words(each) for key, each in todo.items()}
    run_stage(run.service, _asking(run, lost=True), Stage.EXPLAIN, items, record, names)
    return said


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
    return _with_best_picture(run, going)


def _with_best_picture(run: Run, keys: Sequence[str]) -> list[str]:
    """The best take need not be the latest, whose pictures the stages looked after: see that its own is there."""
    takes = run.catalog.takes(keys)
    best = {shot.key: (shot, best_take(takes[shot.key])) for shot in run.catalog.shots(keys)}
    current = [Current(shot, record.take, record) for shot, record in best.values() if record]
    made = set(_make(run, Stage.REFINE, current))
    return [key for key in keys if key in made or best[key][1] is None]


def _current(run: Run, keys: Sequence[str]) -> list[Current]:
    """The latest take of each shot, the first where there is none."""
    takes = run.catalog.takes(keys)
    found = []
    for shot in run.catalog.shots(keys):
        latest = takes[shot.key][-1] if takes[shot.key] else None
        if latest is None:
            found.append(Current(shot, take(shot.key, shot.seed, 1), None))
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
        elif each.take.number < each.shot.max_takes:
            used = recipe_on(numbers, each.shot.recipe, each.take.changes)
            if wants_retake(card, used):
                changes = {**each.take.changes, **suggest_changes(card, used)}
                found.append(_next(each.shot, each.record, changes))
    return found


def _make(run: Run, stage: Stage, current: Sequence[Current]) -> list[str]:
    """Run a stage on what lacks its output, after the stage before on what lacks that; returns the shots that have it
    now."""
    bundle = run.catalog.calibrated(run.service.bundle()) if stage is Stage.SCORE else None
    todo = {each.take.key: each for each in current if not _is_done(run, stage, each, bundle)}
    ready = _inputs(run, stage, list(todo.values()))
    failed = {each.shot.key for each in todo.values()} - ready

    def record(result: ItemResult) -> None:
        each = todo[result.key]
        if result.error is not None:
            failed.add(each.shot.key)
            run.catalog.record_failure(each.shot.key, stage.value, result.error)
        else:
            _record_output(run, stage, each, result, bundle)

    items = {key: {"shot": each.shot, "take": each.take} for key, each in todo.items() if each.shot.key in ready}
    lost = any(each.output(stage) for each in todo.values())
    names = {key: _in_words(each) for key, each in todo.items()}
    run_stage(run.service, _asking(run, lost=lost), stage, items, record, names)
    return [each.shot.key for each in current if each.shot.key not in failed]


def _in_words(each: Current) -> str:
    """A take for a log: "take 2 of 'MUG-1' in 'beach' with 'ana', held"."""
    shot = each.shot
    who = f" with {shot.persona.name!r}" if shot.persona else ""
    return f"take {each.take.number} of {shot.product.sku!r} in {shot.environment.name!r}{who}, {shot.framing.value}"


def _is_done(run: Run, stage: Stage, each: Current, bundle: BundleInfo | None) -> bool:
    if bundle is None:
        return is_whole(run, each.output(stage))
    card, output = each.record.scorecard if each.record else None, each.output(stage)
    if card is None or card.measured.scorers != bundle.scorers:
        return False
    return output is None or is_whole(run, output)


def _inputs(run: Run, stage: Stage, todo: Sequence[Current]) -> set[str]:
    """See that what a stage reads is there; returns the shots for which it is."""
    if not todo:
        return set()
    if stage is Stage.COMPOSE:
        return set(face(run, [each.shot.key for each in todo]))
    return set(_make(run, _READS[stage], todo))


def _record_output(run: Run, stage: Stage, each: Current, result: ItemResult, bundle: BundleInfo | None) -> None:
    if result.object is None or result.sha256 is None:
        return
    output = _output(result, result.object, result.sha256)
    if bundle is not None and result.measured is not None:
        run.catalog.record_scorecard(each.take.key, judge_take(result.measured, each.shot, bundle), output)
    else:
        run.catalog.record_output(each.take, stage, output)


def _output(result: ItemResult, key: str, sha256: str) -> StageOutput:
    return StageOutput(ImageRef(key, sha256), None if result.kept else result.seconds, result.made_by)
