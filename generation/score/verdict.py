"""From measured dimensions to a verdict in words, and from a verdict to the next take's settings. No models here."""

from __future__ import annotations

from collections.abc import Mapping

from brief.recipe import Recipe
from brief.types import Scorecard, Verdict
from generation.bundle.card import Threshold

MEANS = {
    "sharpness": "the picture is soft",
    "exposure": "too much of the picture is black or blown out",
    "product": "the packshot's colours and shape are not met",
    "prompt": "the picture does not show what was asked in words",
    "identity": "the face is not the persona's",
    "features": "the face lacks features that were chosen",
    "environment": "the place is not the environment's",
}
"""What it means, in words, when a dimension is low."""

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
        last: no further take is allowed, so what would be retaken is reviewed or rejected.

    Returns:
        The worst verdict of all dimensions: no dimension can make up for another. A dimension that has thresholds but
        was not measured sends the take to review, and so does a bundle without any thresholds. Each reason begins with
        its dimension.
    """
    found: list[Verdict] = []
    reasons: list[str] = []
    for name, threshold in thresholds.items():
        if name not in values:
            found.append(Verdict.REVIEW)
            reasons.append(f"{name} is unavailable: {unavailable.get(name, 'nothing measures it')}")
        elif values[name] < threshold.accept:
            found.append(_below(values[name], threshold, last=last))
            limit = threshold.review if values[name] < threshold.review else threshold.accept
            reasons.append(f"{name} {values[name]:.2f} is below {limit:.2f}: {MEANS.get(name, 'too low')}")
    if not thresholds:
        found.append(Verdict.REVIEW)
        reasons.append("no thresholds are set, so a person decides")
    severity = [Verdict.ACCEPT, Verdict.REVIEW, Verdict.REJECT, Verdict.RETAKE]
    return Scorecard(dict(values), max(found, key=severity.index, default=Verdict.ACCEPT), tuple(reasons))


def _below(value: float, threshold: Threshold, *, last: bool) -> Verdict:
    if value >= threshold.review:
        return Verdict.REVIEW
    if not last:
        return Verdict.RETAKE
    return Verdict.REVIEW if value > _REJECT_BELOW * threshold.review else Verdict.REJECT


def suggest_changes(scorecard: Scorecard, recipe: Recipe) -> dict[str, float]:
    """What the next take should do otherwise, for :func:`brief.recipe.take`.

    Args:
        scorecard: of the take that was not good enough; its reasons name the dimensions.
        recipe: the numbers that this take used.
    """
    low = {reason.split()[0] for reason in scorecard.reasons if " is below " in reason}
    changes: dict[str, float] = {}
    if "product" in low:
        changes |= {"product_keep": 1.0, "product_strength": min(1.2, recipe.product_strength + 0.2)}
    if low & {"identity", "features"}:
        changes |= {"face_strength": min(1.2, recipe.face_strength + 0.2), "face_keep": max(0.35, recipe.face_keep)}
    if "environment" in low:
        changes |= {"environment_keep": max(recipe.environment_keep, min(0.8, recipe.environment_keep + 0.2))}
        changes |= {"environment_strength": min(1.0, recipe.environment_strength + 0.2)}
    if "prompt" in low:
        changes |= {"guidance": min(9.0, recipe.guidance + 1.5), "guidance_until": 1.0}
    if "sharpness" in low:
        changes |= {"steps": float(round(recipe.steps * 1.4))}
    if "exposure" in low:
        changes |= {"guidance": max(1.5, recipe.guidance - 1.0)}
    return {name: value for name, value in changes.items() if value != getattr(recipe, name)}
