"""From measurements to a verdict, from takes to the best one, and from a verdict to what the next take does otherwise.

The one order of verdicts stands here. Nothing here measures: takes can be judged again under other thresholds wherever
the catalog is, without the service that measured them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from brief.dimensions import BY_NAME, DIMENSIONS
from brief.recipe import Recipe
from brief.types import BundleInfo, Finding, Measurements, Reason, Scorecard, Shot, Threshold, Verdict
from storage.catalog.records import TakeRecord
from storage.catalog.tables import Decision

SEVERITY = (Verdict.ACCEPT, Verdict.REVIEW, Verdict.RETAKE, Verdict.REJECT)
"""From good to hopeless. What is not good enough is retaken while takes are left that can be better; then what would
be retaken goes before a person, and what is hopeless is rejected."""

_REJECT_BELOW = 0.5
"""Share of ``review`` up to which a value is hopeless."""
_REVIEW_SHARE = 0.75
_OF_ALL_BUNDLES = {"cutout": Threshold(accept=0.5, review=0.0), "label": Threshold(accept=0.8, review=0.0)}
"""Of what no bundle's models measure, where it was measured: a doubtful outline, and words of which one letter in five
is another, are for a person, and no retake fixes them."""


def thresholds_for(bundle: Mapping[str, Threshold], campaign: Mapping[str, float]) -> dict[str, Threshold]:
    """The bundle's thresholds, with a campaign's own "accept" in place where it names a dimension.

    Its "review" then lies where it lay relative to "accept", or at three quarters where the bundle has none.
    """
    thresholds = dict(bundle)
    for name, accept in campaign.items():
        share = bundle[name].review / bundle[name].accept if name in bundle and bundle[name].accept else _REVIEW_SHARE
        thresholds[name] = Threshold(accept, accept * min(1.0, share))
    return thresholds


def judge_take(measured: Measurements, shot: Shot, bundle: BundleInfo) -> Scorecard:
    """A take of ``shot`` under the thresholds of its campaign and of the bundle."""
    thresholds = thresholds_for(bundle.thresholds, shot.thresholds)
    if not shot.framing.has_person:
        thresholds = {name: each for name, each in thresholds.items() if not BY_NAME[name].of_person}
    if thresholds:
        thresholds = {name: each for name, each in _OF_ALL_BUNDLES.items() if name in measured.values} | thresholds
    needed = [each.name for each in DIMENSIONS if each.needed and (shot.framing.has_person or not each.of_person)]
    return judge(measured, thresholds, needed, calibrated=bundle.calibrated > 0)


def judge(
    measured: Measurements,
    thresholds: Mapping[str, Threshold],
    needed: Sequence[str] = (),
    *,
    calibrated: bool = True,
) -> Scorecard:
    """The verdict on a take: the worst of all dimensions, since none can make up for another.

    Args:
        thresholds: per dimension; one without is recorded and not judged.
        needed: dimensions without which no take is accepted.
        calibrated: whether the thresholds were made from takes that people labelled. Otherwise nothing that they say
            can refuse or accept a take, and a person decides.
    """
    findings: list[Finding] = []
    verdicts = [Verdict.ACCEPT]
    for name in (each.name for each in DIMENSIONS):
        value, threshold = measured.values.get(name), thresholds.get(name)
        if name in measured.altered:
            # No other take can cure what is not drawn, so a person looks at what went wrong.
            verdicts.append(Verdict.REVIEW)
            findings.append(Finding(Reason.ALTERED, name, measured.altered[name]))
            continue
        if name in measured.kept or (threshold is None and name not in needed):
            continue
        if value is None:
            verdicts.append(Verdict.REVIEW)
            findings.append(Finding(Reason.UNAVAILABLE, name, why=measured.unavailable.get(name, "")))
        elif threshold is not None and value < threshold.accept:
            verdicts.append(_below(value, threshold))
            limit = threshold.review if value < threshold.review else threshold.accept
            findings.append(Finding(Reason.LOW, name, value, limit))
    if not thresholds or not calibrated:
        verdicts = [Verdict.REVIEW]
        findings.append(Finding(Reason.UNCALIBRATED))
    return Scorecard(measured, max(verdicts, key=SEVERITY.index), tuple(findings))


def _below(value: float, threshold: Threshold) -> Verdict:
    if value >= threshold.review:
        return Verdict.REVIEW
    return Verdict.REJECT if value <= _REJECT_BELOW * threshold.review else Verdict.RETAKE


def best_take(takes: Sequence[TakeRecord]) -> TakeRecord | None:
    """The take that a person approved; else the scored take with the best verdict, and among equals with the highest
    mean score. Never one that a person turned down."""
    scored = [each for each in takes if each.scorecard is not None and not each.rejected]
    return min(scored, key=_rank) if scored else None


def _rank(record: TakeRecord) -> tuple[bool, int, float]:
    card = record.scorecard
    if card is None:
        raise ValueError(f"take {record.take.key} has no scorecard")
    approved = record.decision is Decision.APPROVE
    # What would be retaken and what is for review are both for a person once no take is left: the better one is shown.
    verdict = Verdict.REVIEW if card.verdict is Verdict.RETAKE else card.verdict
    return not approved, SEVERITY.index(verdict), -sum(card.values.values()) / max(1, len(card.values))


def wants_retake(card: Scorecard, recipe: Recipe) -> bool:
    """Whether a take is bad enough for another one, and another one can be better.

    Args:
        recipe: the numbers that this take used. Pixels that they keep stay as they are, whatever is drawn again.
    """
    if card.verdict not in (Verdict.RETAKE, Verdict.REJECT):
        return False
    return any(not BY_NAME[name].kept(recipe) for name in card.low)


def suggest_changes(card: Scorecard, recipe: Recipe) -> dict[str, float]:
    """What the next take should do otherwise, for :func:`brief.recipe.take`.

    Args:
        recipe: the numbers that this take used.
    """
    changes: dict[str, float] = {}
    for name in card.low:
        changes |= BY_NAME[name].remedy(recipe)
    return {name: value for name, value in changes.items() if value != getattr(recipe, name)}
