"""Thresholds from labelled takes: what good and bad ones score, and how sure that makes one."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brief.errors import PipelineError
from brief.types import Threshold

FALSE_ALARMS = 0.05
"""Share of good takes that all thresholds together may send to a person, about."""
_CAUGHT = 0.95
_DRAWS = 400


class TooFewLabels(PipelineError, ValueError):
    """Not enough labelled takes to say what a score means; says how many there are and what to do."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One dimension's values of good and of bad takes."""

    good: tuple[float, ...]
    bad: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """How sure a threshold is.

    Attributes:
        good, bad: number of labelled takes.
        low, high: 90 % interval of ``accept`` over resampled labels (bootstrap, Efron 1979).
        caught: share of bad takes below ``accept``; ``None`` without bad takes.
        alarms: share of good takes below it.
    """

    good: int
    bad: int
    low: float
    high: float
    caught: float | None
    alarms: float


def threshold_of(labelled: Labelled, alarms: float) -> tuple[Threshold, Evidence]:
    """The threshold of one dimension.

    ``accept`` lets at most a share ``alarms`` of the good takes fall below it. Where good and bad takes lie apart, it
    is in the middle of the gap. ``review`` is where the typical bad take lies: what is below it is taken again. Without
    bad takes nobody knows where that is, and a person decides about all that is low.

    Raises:
        TooFewLabels: there is no good take.
    """
    if not labelled.good:
        raise TooFewLabels("no take was approved, so nobody knows what a good score is")
    accept = _accept(labelled.good, labelled.bad, alarms)
    typical = _quantile(labelled.bad, 0.5) if labelled.bad else 0.0
    review = min(typical, accept)
    source = random.Random(0)  # noqa: S311  # repeatable, and nothing secret
    draws = sorted(
        _accept(_resampled(labelled.good, source), _resampled(labelled.bad, source), alarms) for _ in range(_DRAWS)
    )
    return Threshold(round(accept, 4), round(review, 4)), Evidence(
        good=len(labelled.good),
        bad=len(labelled.bad),
        low=round(_quantile(draws, 0.05), 4),
        high=round(_quantile(draws, 0.95), 4),
        caught=_share_below(labelled.bad, accept) if labelled.bad else None,
        alarms=_share_below(labelled.good, accept),
    )


def _accept(good: Sequence[float], bad: Sequence[float], alarms: float) -> float:
    highest = _quantile(good, alarms)
    if not bad:
        return highest
    worst = _quantile(bad, _CAUGHT)
    return (worst + highest) / 2 if worst < highest else highest


def _quantile(values: Sequence[float], share: float) -> float:
    """Of values in any order, the one that a share of them lies below, without anything between two values."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def _resampled(values: Sequence[float], source: random.Random) -> list[float]:
    return source.choices(values, k=len(values)) if values else []


def _share_below(values: Sequence[float], limit: float) -> float:
    return round(sum(value < limit for value in values) / len(values), 4)


def thresholds_of(labelled: Mapping[str, Labelled]) -> tuple[dict[str, Threshold], dict[str, Evidence]]:
    """Thresholds of all dimensions, which share the false alarms that are allowed."""
    alarms = FALSE_ALARMS / max(1, len(labelled))
    thresholds, evidence = {}, {}
    for name, values in labelled.items():
        thresholds[name], evidence[name] = threshold_of(values, alarms)
    return thresholds, evidence
