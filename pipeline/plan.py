"""What a run sets out to do: campaigns into the shots that it claims, with what they will take, cut into shards."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from brief.plan import Plan, PlanError, plan
from brief.types import BundleInfo, Campaign, Environment, Persona, Product
from pipeline.run import Budget, Run, RunRequest
from pipeline.upkeep import heal_published
from storage.catalog.plans import Selection
from storage.catalog.records import Measured
from storage.catalog.retiring import KINDS, OVER
from storage.catalog.shots import UNFINISHED, Choice, Chosen, Reprocess
from storage.catalog.tables import CampaignState, ShotState

_LOG = logging.getLogger(__name__)
MOST_SHARDS = 1024
"""Airflow's ``max_map_length``: a task that returns more to map over fails."""
LONGEST_SKU = 60
"""Characters of a SKU in a shard's name: Airflow's ``rendered_map_index`` holds 250, and a longer name fails every
task of its shard."""
SHOWN = 50
"""Shots or reasons that a log spells out."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Shots that go through the stages together.

    Attributes:
        name: what Airflow's grid shows.
        number: within the run, from 0; tasks find the shard's keys in the catalog by it.
    """

    name: str
    number: int
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What shots will take, by what others were measured to take.

    Attributes:
        seconds: of the generation services together; ``None`` where nothing was measured under the loaded bundle.
        minutes: on the clock, with all services at work.
        money: ``None`` where no price of an hour is set.
        measured: how many shots that is taken from.
    """

    seconds: float | None = None
    minutes: float | None = None
    money: float | None = None
    measured: int = 0


@dataclass(frozen=True, slots=True)
class RunPlan:
    """Shots that a run claims, and what planning found.

    Attributes:
        shots: in the order of shooting.
        problems: why each campaign that could not be planned.
        campaigns: by name, the plan in numbers: wanted, new, superseded, to_make, elsewhere (outstanding,
            and not for this run), over_budget, refused (by SKU, why), and the shots per state.
        over_budget: how many shots the run's budget leaves out.
        most_seconds: of the services, after which the run makes no further shots, whatever was estimated.
    """

    shots: list[Chosen]
    problems: dict[str, str] = field(default_factory=dict)
    campaigns: dict[str, dict[str, Any]] = field(default_factory=dict)
    estimate: Estimate = field(default_factory=Estimate)
    over_budget: int = 0
    most_seconds: float | None = None
    dry_run: bool = False

    @property
    def found(self) -> dict[str, Any]:
        """As the catalog keeps it with the run."""
        return {
            "problems": self.problems,
            "campaigns": self.campaigns,
            "estimate": asdict(self.estimate),
            "over_budget": self.over_budget,
            "most_seconds": self.most_seconds,
            "dry_run": self.dry_run,
        }


def plan_run(run: Run, request: RunRequest) -> RunPlan:
    """Plan campaigns, record the plans, and choose what the run claims.

    A campaign that cannot be planned is reported, and the others go on. A dry run takes the same way, and everything
    that it recorded back. Where everything is asked for (``reprocess=all``), published files are compared with their
    digests first, and healed.

    Raises:
        PlanError: not one of the campaigns could be planned, or what the run was asked fits none of them.
        RowMissing: a campaign that the catalog does not have.
    """
    bundle, rows = run.service.bundle(), _rows(run)
    if bundle.stand_in:
        _LOG.warning("the bundle %r has random weights: its pictures show nothing", bundle.name)
    chosen = _campaigns(run, request.campaigns)
    _check(request.choice, chosen, rows)
    if request.choice.reprocess is Reprocess.ALL and not request.dry_run:
        heal_published(run, [campaign.name for campaign in chosen])
    selected: list[Selection] = []
    problems: dict[str, str] = {}
    found: dict[str, dict[str, Any]] = {}
    for campaign in chosen:
        try:
            planned = _planned(campaign, rows, bundle)
        except PlanError as error:
            problems[campaign.name] = str(error)
            _LOG.error("not planned: %s", error)  # the reason is the message, a trace adds nothing
            continue
        dry = SHOWN if request.dry_run else None
        selection = run.catalog.plan_and_choose(campaign, planned, run.id, request.choice, dry=dry)
        found[campaign.name] = _in_numbers(planned, selection)
        _tell(campaign.name, found[campaign.name])
        selected.append(selection)
    if chosen and len(problems) == len(chosen):
        raise PlanError("; ".join(problems.values()))
    shots = [shot for selection in selected for shot in selection.chosen]
    planned_run = _within_budget(run, request, RunPlan(shots, problems, found, dry_run=request.dry_run), bundle)
    if request.dry_run:
        _tell_what_would_be(planned_run, selected)
    return planned_run


@dataclass(frozen=True, slots=True)
class _Rows:
    """The catalog's rows by SKU or name; and the SKUs or names of those that are retired."""

    products: Mapping[str, Product]
    environments: Mapping[str, Environment]
    personas: Mapping[str, Persona]
    retired: Mapping[type, Collection[str]]


def _rows(run: Run) -> _Rows:
    catalog = run.catalog
    retired: dict[type, Collection[str]] = {}
    for kind in KINDS:
        retired[kind] = catalog.retired(kind)
    return _Rows(catalog.products(), catalog.environments(), catalog.personas(), retired)


def _campaigns(run: Run, names: Sequence[str] | None) -> list[Campaign]:
    """Those that are active; one that is asked for by name may be paused.

    Raises:
        PlanError: one that is asked for is over.
    """
    known, states = run.catalog.campaigns(names), run.catalog.campaign_states()
    if names is None:
        for state in CampaignState:
            some = [name for name in sorted(states) if states[name] == state]
            if some and state is not CampaignState.ACTIVE:
                _LOG.info("%s, so left out: %s", state.value, ", ".join(some))
        return [campaign for campaign in known if states.get(campaign.name) == CampaignState.ACTIVE]
    for campaign in known:
        if states.get(campaign.name) in OVER:
            raise PlanError(
                f"campaign {campaign.name!r} is {states[campaign.name].value}, nothing of it is made any more; to go "
                f"on with it: python -m storage campaign active {campaign.name!r}"
            )
    return known


def _planned(campaign: Campaign, rows: _Rows, bundle: BundleInfo) -> Plan:
    """The plan of what is not retired; what is made of the rest is superseded."""
    gone = rows.retired
    products = {sku: product for sku, product in rows.products.items() if sku not in gone[Product]}
    wanted = replace(
        campaign,
        products=tuple(sku for sku in campaign.products if sku not in gone[Product]),
        environments=tuple(name for name in campaign.environments if name not in gone[Environment]),
        personas=tuple(name for name in campaign.personas if name not in gone[Persona]),
    )
    for what in ("products", "environments", "personas"):
        if getattr(campaign, what) and not getattr(wanted, what):
            raise PlanError(f"campaign {campaign.name!r}: all its {what} are retired; name others, or end it")
    return plan(wanted, products, rows.environments, rows.personas, bundle)


def _check(choice: Choice, campaigns: Sequence[Campaign], rows: _Rows) -> None:
    """Raise what the form asks for and no campaign of the run has."""
    for what, asked in (
        ("environments", choice.environments),
        ("personas", choice.personas),
        ("framings", choice.framings),
    ):
        there = sorted({str(name) for campaign in campaigns for name in getattr(campaign, what)})
        for name in asked:
            if name not in there:
                raise PlanError(f"'{what}' has {name!r}, which the campaign does not have; it has {', '.join(there)}")
    for pattern in choice.products:
        if "*" not in pattern and pattern.casefold() not in {sku.casefold() for sku in rows.products}:
            raise PlanError(f"'products' has {pattern!r}, which is not in the catalog; for a part of a SKU write MUG-*")


def _in_numbers(planned: Plan, selection: Selection) -> dict[str, Any]:
    record, chosen = selection.record, selection.chosen
    unfinished = sum(record.states.get(state, 0) for state in UNFINISHED)
    return {
        "wanted": planned.number,
        "new": record.new + record.revived,
        "superseded": record.superseded,
        "to_make": len(chosen),
        "elsewhere": max(0, unfinished - len(chosen)),
        "over_budget": planned.left_out,
        "refused": dict(planned.refused),
        "states": {state.value: number for state, number in sorted(record.states.items())},
    }


def _tell(name: str, found: Mapping[str, Any]) -> None:
    done = [
        f"{found['states'][state.value]} {word}"
        for state, word in (
            (ShotState.PUBLISHED, "published"),
            (ShotState.REVIEW, "waiting for a person"),
            (ShotState.REJECTED, "rejected"),
            (ShotState.FAILED, "failed"),
        )
        if found["states"].get(state.value)
    ]
    _LOG.info(
        "campaign %r wants %d shots; so far %s. New or wanted again: %d. This run makes %d.",
        *(name, found["wanted"], ", ".join(done) or "none is made", found["new"], found["to_make"]),
    )
    for key, words in (
        ("superseded", "are not wanted any more"),
        ("elsewhere", "more are outstanding, and not for this run: trigger one with 'Also what is outstanding'"),
        ("over_budget", "do not fit into the campaign's max_shots"),
    ):
        if found[key]:
            _LOG.info("campaign %r: %d %s", name, found[key], words)
    for sku, why in list(found["refused"].items())[:SHOWN]:
        _LOG.warning("campaign %r: left out: %s %s", name, sku, why)


def _within_budget(run: Run, request: RunRequest, planned: RunPlan, bundle: BundleInfo) -> RunPlan:
    measured = run.catalog.measured(bundle.fingerprint)
    most = _affordable(request.budget, measured, run.hour_price)
    shots = planned.shots[:most]
    planned = replace(
        planned,
        shots=shots,
        over_budget=len(planned.shots) - len(shots),
        most_seconds=_most_seconds(request.budget, run.hour_price),
        estimate=_estimate(run, len(shots), measured),
    )
    if planned.over_budget:
        _LOG.info("%d shots are left out: the run's budget takes %d", planned.over_budget, len(shots))
    if shots and not request.dry_run:
        _LOG.info("%d shots to make: %s", len(shots), in_words(planned.estimate))
    return planned


def _tell_what_would_be(planned: RunPlan, selected: Sequence[Selection]) -> None:
    """The shots of a dry run, and which of them are wanted again only because something has another name, which decides
    their seeds."""
    for selection in selected:
        for what, number in Counter(selection.renamed).most_common(SHOWN):
            _LOG.warning(
                "DRY RUN: %d shots differ from published ones by a name alone (%s): the old name would make nothing "
                "again",
                number,
                what,
            )
    _LOG.info("DRY RUN: nothing is made. %d shots would be: %s", len(planned.shots), in_words(planned.estimate))
    shown = [shot for selection in selected for shot in selection.shown]
    for shot in shown[: min(SHOWN, len(planned.shots))]:
        who = shot.persona.name if shot.persona else "nobody"
        _LOG.info("would make %s in %s with %s, %s", shot.product.sku, shot.environment.name, who, shot.framing)


def _affordable(budget: Budget, measured: Measured, hour_price: float | None) -> int | None:
    """How many shots a budget takes by what shots took so far; ``None`` means all. Where none was measured yet, the
    budget is kept while the run goes on (:func:`pipeline.claims.affordable`).

    Raises:
        PlanError: a budget in money, and no price.
    """
    most = [] if budget.shots is None else [budget.shots]
    seconds, each = _most_seconds(budget, hour_price), measured.seconds_per_shot
    if seconds is not None and each is not None:
        most.append(int(seconds / each))
    return min(most) if most else None


def _most_seconds(budget: Budget, hour_price: float | None) -> float | None:
    limits = [] if budget.seconds is None else [budget.seconds]
    if budget.money is not None:
        if not hour_price:
            raise PlanError(
                "a budget in money needs the price of a GPU's hour: set LOOKBOOK_GPU_HOUR_PRICE, or hour_price in the "
                "extra of connection lookbook_service"
            )
        limits.append(budget.money / hour_price * 3600)
    return min(limits) if limits else None


def _estimate(run: Run, shots: int, measured: Measured) -> Estimate:
    each = measured.seconds_per_shot
    if each is None:
        return Estimate()
    seconds = shots * each
    money = seconds * run.hour_price / 3600 if run.hour_price else None
    return Estimate(seconds, seconds / 60 / run.service.count, money, measured.shots)


def in_words(estimate: Estimate) -> str:
    """For a log."""
    if estimate.seconds is None or estimate.minutes is None:
        return "how long they take is not known yet, none was measured with this bundle"
    cost = f", cost {estimate.money:.2f}" if estimate.money is not None else ", no price of a GPU's hour is set"
    return (
        f"about {estimate.minutes:.0f} min, {estimate.seconds:.0f} GPU seconds{cost} (by {estimate.measured} shots "
        "that were measured)"
    )


FEWEST_IN_A_SHARD, MOST_IN_A_SHARD, SHARDS_A_SERVICE = 8, 64, 4


def usual_shard_size(shots: int, services: int) -> int:
    """Shots of a shard where nobody says how many: enough that a batch is full, and so many more as leave each service
    four shards, since one is drawn while the tasks of others begin and end; up to where more saves hardly anything
    (``benchmarks/orchestration.py``), and a task is a matter of minutes."""
    return min(MOST_IN_A_SHARD, max(FEWEST_IN_A_SHARD, math.ceil(shots / (SHARDS_A_SERVICE * services))))


def cut(shots: Sequence[Chosen], size: int, most: int = MOST_SHARDS) -> list[Shard]:
    """Cut ``shots`` into parts of ``size``, or of more if that would be over ``most`` parts.

    Raises:
        ValueError: a size below 1.
    """
    if size < 1:
        raise ValueError(f"shard_size is {size}, it must be 1 or more")
    size = max(size, math.ceil(len(shots) / most))
    parts = [shots[start : start + size] for start in range(0, len(shots), size)]
    return [Shard(_name(part), number, tuple(shot.key for shot in part)) for number, part in enumerate(parts)]


def _name(shots: Sequence[Chosen]) -> str:
    """The products in a shard: "MUG-1, MUG-2 (8 shots)"."""
    skus = list(dict.fromkeys(shot.sku for shot in shots))
    shown = ", ".join(_shortened(sku) for sku in skus[:3]) + (f" and {len(skus) - 3} more" if len(skus) > 3 else "")
    return f"{shown} ({len(shots)} shot{'s' if len(shots) != 1 else ''})"


def _shortened(sku: str) -> str:
    return sku if len(sku) <= LONGEST_SKU else sku[: LONGEST_SKU - 1] + "…"
