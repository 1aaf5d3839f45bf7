"""What a run is asked to do: the fields of Airflow's forms, read and explained before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

from brief.plan import PlanError
from brief.types import Environment, Framing, Persona
from pipeline.run import Run
from storage.catalog.retiring import OVER
from storage.catalog.shots import Choice, Reprocess

Interval = tuple[datetime, datetime]
PRIORITIES: Mapping[str, int] = {"night": 0, "normal": 10, "urgent": 20}
"""How urgent a run is, by the word of the form; a run leaves shots to another that is as urgent or more."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may take at most: shots, seconds of the generation services, money. ``None`` is no limit.

    The last two are kept by what shots were measured to cost, before anything is made, and by what the run's own shots
    take, before each shard.
    """

    shots: int | None = None
    seconds: float | None = None
    money: float | None = None


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a run shall do.

    Attributes:
        campaigns: names; ``None`` means all that are active.
        budget: shots beyond it are left for another run.
        dry_run: only say what would be made.
    """

    campaigns: Sequence[str] | None = None
    choice: Choice = field(default_factory=Choice)
    budget: Budget = field(default_factory=Budget)
    dry_run: bool = False
    shard_size: int = 8
    priority: int = PRIORITIES["night"]


def read_request(params: Mapping[str, Any], interval: Interval | None, priority: str = "night") -> RunRequest:
    """A run's request.

    Args:
        params: of the run, as the form has them; what a DAG does not ask for may be missing.
        interval: of a run that Airflow started for a span of time; a span that the form names comes before it.

    Raises:
        PlanError: a value that means nothing; says which field, what it is and what would do.
    """
    if "campaign" in params and not (params["campaign"] or "").strip():
        raise PlanError('no campaign is named; give its name in the form, or {"campaign": "NAME"} as the run\'s conf')
    changed = _named_span(params.get("changed_from"), params.get("changed_to")) or interval
    by_itself = interval is not None
    choice = Choice(
        reprocess=Reprocess(params.get("reprocess") or "missing"),
        changed=None if params.get("outstanding") else changed,
        products=_lines(params, "products"),
        environments=_lines(params, "environments"),
        personas=_lines(params, "personas"),
        framings=tuple(Framing(each).value for each in _lines(params, "framings")),
        variants=params.get("variants"),
        cancelled=bool(params.get("outstanding")) or not by_itself,
    )
    return RunRequest(
        campaigns=[params["campaign"].strip()] if params.get("campaign") else None,
        choice=choice,
        budget=Budget(params.get("most_shots"), params.get("most_seconds"), params.get("most_money")),
        dry_run=bool(params.get("dry_run")),
        shard_size=int(params.get("shard_size") or 8),
        priority=PRIORITIES[params.get("priority") or priority],
    )


def _lines(params: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(line for each in params.get(name) or () if (line := str(each).strip()))


def _named_span(first: str | None, last: str | None) -> Interval | None:
    """From the beginning of the first day to the end of the last, UTC."""
    if not first and not last:
        return None
    since = _day(first, "Changed from") if first else datetime(1970, 1, 1, tzinfo=UTC)
    until = _day(last, "Changed to") + timedelta(days=1) if last else datetime.now(UTC)
    if since >= until:
        raise PlanError(f"'Changed from' is {first}, which is after 'Changed to', {last or 'now'}; exchange them")
    return since, until


def _day(text: str, what: str) -> datetime:
    try:
        return datetime.combine(datetime.fromisoformat(text).date(), time.min, UTC)
    except ValueError as error:
        raise PlanError(f"'{what}' is {text!r}; write a day as 2026-11-28") from error


def names_for_forms(run: Run) -> dict[str, list[str]]:
    """What the fields of a form offer: names of campaigns that are not over, and of what is not retired."""
    catalog, states = run.catalog, run.catalog.campaign_states()
    return {
        "campaigns": sorted(name for name, state in states.items() if state not in OVER),
        "environments": sorted(catalog.environments().keys() - catalog.retired(Environment)),
        "personas": sorted(catalog.personas().keys() - catalog.retired(Persona)),
    }
