"""From measured dimensions to a verdict in words, and from a verdict to the next take's settings. No models here."""

from __future__ import annotations

from collections.abc import Mapping

from brief.dimensions import BY_NAME
from brief.recipe import Recipe
from brief.types import Scorecard, Verdict
from generation.bundle.card import Threshold

SEVERITY = (Verdict.ACCEPT, Verdict.REVIEW, Verdict.RETAKE, Verdict.REJECT)
"""From good to hopeless. A hopeless take is retaken while takes are left; where all are, the shot is rejected."""

_REJECT_BELOW = 0.5
_REVIEW_SHARE = 0.75


def thresholds_for(bundle: Mapping[str, Threshold], campaign: Mapping[str, float]) -> dict[str, Threshold]:
    """The bundle's thresholds, with a campaign's own "accept" in place where it names a dimension.

    Its "review" then lies where it lay relative to "accept", or at three quarters where the bundle has none.
    """
    thresholds = dict(bundle)
    for name, accept in campaign.items():
        share = bundle[name].review / bundle[name].accept if name in bundle and bundle[name].accept else _REVIEW_SHARE
        thresholds[name] = Threshold(accept, accept * share)
    return thresholds


def judge(
    values: Mapping[str, float], unavailable: Mapping[str, str], thresholds: Mapping[str, Threshold], *, last: bool
) -> Scorecard:
    """The verdict on a take.

    Args:
        values: measured dimensions, 0 to 1.
        unavailable: dimensions that could not be measured, and why.
        thresholds: per dimension; one without thresholds is recorded and not judged.
        last: no further take is allowed, so what would be retaken is reviewed.

    Returns:
        The worst verdict of all dimensions: no dimension can make up for another. A dimension that has thresholds but
        was not measured sends the take to review, and so does a bundle without any thresholds. Each reason begins with
        its dimension.
    """
    found: list[Verdict] = []
    reasons: list[str] = []
    low: list[str] = []
    for name, threshold in thresholds.items():
        if name not in values:
            found.append(Verdict.REVIEW)
            reasons.append(f"{name} is unavailable: {unavailable.get(name, 'nothing measures it')}")
        elif values[name] < threshold.accept:
            found.append(_below(values[name], threshold, last=last))
            low.append(name)
            limit = threshold.review if values[name] < threshold.review else threshold.accept
            reasons.append(f"{name} {_compared(values[name], limit)}: {BY_NAME[name].low}")
    if not thresholds:
        found.append(Verdict.REVIEW)
        reasons.append("no thresholds are set, so a person decides")
    verdict = max(found, key=SEVERITY.index, default=Verdict.ACCEPT)
    return Scorecard(dict(values), verdict, tuple(reasons), tuple(low), dict(unavailable))


def _below(value: float, threshold: Threshold, *, last: bool) -> Verdict:
    if value >= threshold.review:
        return Verdict.REVIEW
    if value <= _REJECT_BELOW * threshold.review:
        return Verdict.REJECT
    return Verdict.REVIEW if last else Verdict.RETAKE


def _compared(value: float, limit: float) -> str:
    """The two numbers with as many digits as it takes to tell them apart."""
    digits = next((digits for digits in (2, 3, 4) if f"{value:.{digits}f}" != f"{limit:.{digits}f}"), 6)
    return f"{value:.{digits}f} is below {limit:.{digits}f}"


def can_improve(scorecard: Scorecard, recipe: Recipe) -> bool:
    """Whether a further take can raise something that is low: pixels that the recipe keeps stay as they are."""
    return any(not BY_NAME[name].kept(recipe) for name in scorecard.low)


def suggest_changes(scorecard: Scorecard, recipe: Recipe) -> dict[str, float]:
    """What the next take should do otherwise, for :func:`brief.recipe.take`.

    Args:
        scorecard: of the take that was not good enough; ``low`` names the dimensions.
        recipe: the numbers that this take used.
    """
    changes: dict[str, float] = {}
    for name in scorecard.low:
        changes |= BY_NAME[name].remedy(recipe)
    return {name: value for name, value in changes.items() if value != getattr(recipe, name)}
