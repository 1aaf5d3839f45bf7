"""A run claims shots, and comes to its end: which it makes, which another makes for it, and what came of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from brief.errors import PipelineError
from pipeline.current import write_current_of_run
from pipeline.plan import SHOWN, RunPlan, Shard, cut, usual_shard_size
from pipeline.report import write_report
from pipeline.run import Run
from storage.catalog import decisions, events, runs
from storage.catalog.report import warnings_of
from storage.catalog.runs import RunKey, RunRecord
from storage.catalog.shots import UNFINISHED, Chosen
from storage.catalog.tables import ShotState

_LOG = logging.getLogger(__name__)
TOLD = 500
"""Keys of shots that one event names."""
IsLive = Callable[[RunKey], bool]
"""Whether Airflow still works on a run, or will."""


class RunUnfinished(PipelineError):
    """A run ended with shots that are neither made nor failed; says how many and what to do."""


def claim_shots(
    run: Run,
    planned: RunPlan,
    asked: Mapping[str, Any],
    is_live: IsLive,
    *,
    shard_size: int | None = None,
    priority: int = 0,
) -> list[Shard]:
    """Record what the run was ``asked``, and claim its shots; returns the shards to make.

    A shot that an open run of the same priority or a higher one makes is left to that run, and shared with it. A
    rejected shot that is claimed is there because the run was asked to try it again: here it gets its next take. A
    stage does not do that by itself, so that clearing a task makes nothing new of what a person rejected.

    Args:
        shard_size: shots of a shard; ``None`` means :func:`pipeline.plan.usual_shard_size`.

    Raises:
        CatalogError, ServiceError: the database or the service is unreachable.
    """
    end_cancelled(run, is_live)
    keys = [] if planned.dry_run else [shot.key for shot in planned.shots]
    found = {**planned.found, "thresholds": _thresholds(run)}
    with run.catalog.begin() as session:
        runs.lock_claims(session)
        claims = runs.claims(session, keys, run.id)
        shared = {key: claim.run for key, claim in claims.items() if claim.priority >= priority}
        own = [] if planned.dry_run else [shot for shot in planned.shots if shot.key not in shared]
        shards = cut(own, shard_size or usual_shard_size(len(own), run.service.count))
        found["shared"] = dict(Counter(map(str, shared.values())))
        parts = [shard.keys for shard in shards]
        runs.record_run(session, run.id, asked, found, parts, shared=list(shared), priority=priority)
        decisions.open_next_takes(session, [shot.key for shot in own])
        warnings = warnings_of(session, {shot.campaign for shot in planned.shots})
    for warning in warnings:
        _LOG.warning("fails nearly always so far: %s; a better reference or leaving it out saves the time", warning)
    for other, number in found["shared"].items():
        _LOG.info("%d shots are being made by run %s already, and shared with it", number, other)
    return shards


def _thresholds(run: Run) -> dict[str, dict[str, float]]:
    """Those by which the run's takes are judged, as they are recorded with it."""
    bundle = run.catalog.calibrated(run.service.bundle())
    return {name: asdict(each) for name, each in bundle.thresholds.items()}


def own_shots(run: Run) -> list[str]:
    """Keys of the shots that the run makes itself."""
    with run.catalog.begin() as session:
        return runs.own_shots(session, run.id)


def end_cancelled(run: Run, is_live: IsLive) -> None:
    """Note of runs that never came to their summary, and that Airflow does not work on any more, that somebody ended
    them: they hold no shots, and what they left is made on request only."""
    with run.catalog.begin() as session:
        waiting = runs.open_runs(session, run.id)
    for key in waiting:
        if not is_live(key):
            _LOG.info("run %s was ended before its summary: its shots are free again", key)
            with run.catalog.begin() as session:
                runs.end_run(session, key, cancelled=True)
                events.note(session, "run.cancelled", {"run": str(key)})


def plan_requested(run: Run) -> RunPlan:
    """The shots of which people asked for another take that is not made yet."""
    with run.catalog.begin() as session:
        keys = decisions.requested(session)
    return RunPlan([Chosen.of(shot) for shot in run.catalog.shots(keys)])


def affordable(run: Run, keys: Sequence[str]) -> list[str]:
    """The shots of a shard; none once the run has used up its budget, which leaves them to another run."""
    return [] if _is_used_up(run) else list(keys)


def _is_used_up(run: Run) -> bool:
    with run.catalog.begin() as session:
        record = runs.run(session, run.id)
        most = record.found.get("most_seconds") if record else None
        if most is None:
            return False
        seconds = runs.spent(session, run.id)
    if seconds >= most:
        _LOG.warning("the run's budget of %.0f GPU seconds is used up (%.0f): nothing more is made", most, seconds)
    return bool(seconds >= most)


def finish(run: Run, keys: Sequence[str]) -> dict[str, int]:
    """Note that the run has come to its end, whatever became of its shots, and say what did; returns the number of its
    own shots in each state.

    Raises:
        RunUnfinished: some shots are still to be made, since a stage of their shard failed.
    """
    states = run.catalog.states(keys)
    counts = Counter(state.value for state in states.values())
    with run.catalog.begin() as session:
        runs.end_run(session, run.id)
        record = runs.run(session, run.id)
        shared = runs.shared_shots(session, run.id)
        found = record.found if record else {}
        told = {"run": str(run.id), "shots": dict(counts), "problems": dict(found.get("problems", {}))}
        events.note(session, "run.finished", told)
    write_current_of_run(run)
    write_report(run)
    if found.get("dry_run"):
        _LOG.info("this was a DRY RUN: nothing was made, see the log of 'plan' for what would have been")
    elif not keys and not shared:
        _LOG.info("nothing to make: every shot that this run was asked for has its picture or its answer")
    for name, count in sorted(counts.items()):
        _LOG.info("%s: %d", name, count)
    _tell_shared(record, shared)
    for problem in found.get("problems", {}).values():
        _LOG.error("not planned: %s", problem)
    _tell_failures(run, keys)
    unfinished = sum(counts[state.value] for state in UNFINISHED)
    if unfinished and not _is_used_up(run):
        raise RunUnfinished(
            f"{unfinished} of {len(keys)} shots are unfinished, since a stage of their shard failed: see its log, "
            "then clear that task or run the campaign again; what is made is kept"
        )
    return dict(counts)


def _tell_shared(record: RunRecord | None, shared: Mapping[str, ShotState]) -> None:
    if not shared or record is None:
        return
    going = sum(state in UNFINISHED for state in shared.values())
    others = ", ".join(record.found.get("shared", {}))
    _LOG.info("shared: %d shots of this run are made by %s; %d of them are still going", len(shared), others, going)


def _tell_failures(run: Run, keys: Sequence[str]) -> None:
    """Say of failed shots why, those of one reason together."""
    by_reason: dict[str, list[str]] = {}
    for shot, reason in run.catalog.failures(keys):
        by_reason.setdefault(reason, []).append(f"{shot.product.sku} in {shot.environment.name}")
    for reason, shots in list(by_reason.items())[:SHOWN]:
        more = f" and {len(shots) - 3} more" if len(shots) > 3 else ""
        _LOG.error("failed: %s%s: %s", ", ".join(shots[:3]), more, reason)


def published_by(run: Run) -> dict[str, int]:
    """How many shots the run published, by campaign; those who follow it from outside are told."""
    with run.catalog.begin() as session:
        by_campaign = runs.published_by(session, run.id)
        for campaign, keys in by_campaign.items():
            told = {"run": str(run.id), "campaign": campaign, "number": len(keys), "shots": keys[:TOLD]}
            events.note(session, "publication.finished", told)
    return {campaign: len(keys) for campaign, keys in by_campaign.items()}
