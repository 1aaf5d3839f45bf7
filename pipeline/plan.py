"""What a run sets out to do, and what came of it: campaigns into shards of shots, and the closing count."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from brief.plan import PlanError, plan
from brief.types import Campaign, Shot
from pipeline.run import Run
from storage.catalog.shots import UNFINISHED, Reprocess
from storage.catalog.tables import ShotState

_LOG = logging.getLogger(__name__)
MOST_SHARDS = 1024
"""Airflow's ``max_map_length``: a task that returns more to map over fails."""
LONGEST_SKU = 60
"""Characters of a SKU in a shard's name: Airflow's ``rendered_map_index`` holds 250, and a longer name fails every
task of its shard."""
SHOWN = 50
"""Reasons that a summary spells out."""


class RunUnfinished(RuntimeError):
    """A run ended with shots that are neither made nor failed; says how many and what to do."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Keys of shots that go through the stages together; ``name`` is what Airflow's grid shows."""

    name: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunPlan:
    """Shards of shot keys, and what was said of each campaign that could not be planned."""

    shards: list[Shard]
    problems: dict[str, str] = field(default_factory=dict)


def plan_run(
    run: Run, campaigns: Sequence[str] | None, reprocess: Reprocess, shard_size: int, *, dry_run: bool = False
) -> RunPlan:
    """Plan these campaigns (``None``: all), record the plans, and cut what is outstanding into shards.

    A campaign that cannot be planned is reported, and the others go on. ``dry_run`` only says in the log what would
    be made.

    Raises:
        PlanError: not one of the campaigns could be planned.
        RowMissing: a campaign that the catalog does not have.
    """
    products, environments = run.catalog.products(), run.catalog.environments()
    personas, bundle = run.catalog.personas(), run.service.bundle()
    if bundle.stand_in:
        _LOG.warning("the bundle %r has random weights: its pictures show nothing", bundle.name)
    shots: list[Shot] = []
    problems: dict[str, str] = {}
    chosen = run.catalog.campaigns(campaigns)
    for campaign in chosen:
        try:
            planned = plan(campaign, products, environments, personas, bundle)
        except PlanError as error:
            problems[campaign.name] = str(error)
            _LOG.error("not planned: %s", error)  # the reason is the message, a trace adds nothing
            continue
        if dry_run:
            _say_what_would_be_made(run, campaign, planned.shots)
            continue
        record = run.catalog.record_plan(campaign, planned, run.id)
        _LOG.info("campaign %r: %s", campaign.name, record)
        shots += run.catalog.outstanding(campaign.name, reprocess)
    if chosen and len(problems) == len(chosen):
        raise PlanError("; ".join(problems.values()))
    return RunPlan(list(cut(shots, shard_size)), problems)


def cut(shots: Sequence[Shot], size: int, most: int = MOST_SHARDS) -> Iterator[Shard]:
    """Cut ``shots`` into parts of ``size``, or of more if that would be over ``most`` parts.

    Raises:
        ValueError: a size below 1.
    """
    if size < 1:
        raise ValueError(f"shard_size is {size}, it must be 1 or more")
    size = max(size, math.ceil(len(shots) / most))
    for start in range(0, len(shots), size):
        part = shots[start : start + size]
        yield Shard(_name(part), tuple(shot.key for shot in part))


def _name(shots: Sequence[Shot]) -> str:
    """The products in a shard: "MUG-1, MUG-2 (8 shots)"."""
    skus = list(dict.fromkeys(shot.product.sku for shot in shots))
    shown = ", ".join(_shortened(sku) for sku in skus[:3]) + (f" and {len(skus) - 3} more" if len(skus) > 3 else "")
    return f"{shown} ({len(shots)} shot{'s' if len(shots) != 1 else ''})"


def _shortened(sku: str) -> str:
    return sku if len(sku) <= LONGEST_SKU else sku[: LONGEST_SKU - 1] + "…"


def summarise(run: Run, keys: Sequence[str], problems: Mapping[str, str]) -> dict[str, int]:
    """Number of shots in each state, with the reasons of those that failed in the log.

    Raises:
        RunUnfinished: some shots are still to be made, since a stage of their shard failed.
    """
    counts = Counter(state.value for state in run.catalog.states(keys).values())
    if not keys:
        _LOG.info("nothing new: every shot that the campaigns want has its picture or its answer")
    for name, count in sorted(counts.items()):
        _LOG.info("%s: %d", name, count)
    for problem in problems.values():
        _LOG.error("not planned: %s", problem)
    failed = [key for key, state in run.catalog.states(keys).items() if state is ShotState.FAILED]
    for key in failed[:SHOWN]:
        record = run.catalog.history(key).record
        _LOG.error("failed: %s in %s: %s", record.shot.product.sku, record.shot.environment.name, record.reason)
    if unfinished := sum(counts[state.value] for state in UNFINISHED):
        raise RunUnfinished(
            f"{unfinished} of {len(keys)} shots are unfinished, since a stage of their shard failed: see its log, "
            "then clear that task or run the campaign again; what is made is kept"
        )
    return dict(counts)


def _say_what_would_be_made(run: Run, campaign: Campaign, wanted: Sequence[Shot]) -> None:
    known = run.catalog.states([shot.key for shot in wanted])
    new = [shot for shot in wanted if known.get(shot.key, ShotState.PLANNED) in UNFINISHED]
    _LOG.info("dry run: campaign %r wants %d shots, %d are to be made", campaign.name, len(wanted), len(new))
    for shot in new[:SHOWN]:
        who = shot.persona.name if shot.persona else "nobody"
        _LOG.info("would make %s in %s with %s, %s", shot.product.sku, shot.environment.name, who, shot.framing.value)
