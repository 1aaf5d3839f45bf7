"""Thresholds from takes that people labelled, and takes judged again under other thresholds.

A bundle whose thresholds are starting values sends every take to a person. From :data:`ENOUGH` answers on, what people
approved and turned down says which scores mean something and from which value: those thresholds hold for this bundle
and its scorers until others are made.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace

from brief.dimensions import DIMENSIONS
from brief.thresholds import Labelled, TooFewLabels, thresholds_of
from brief.types import BundleInfo, Shot, Threshold
from pipeline.judge import judge_take
from pipeline.run import Run
from pipeline.settle import settle
from pipeline.stages import measure_again
from storage.catalog import reviews
from storage.catalog.records import TakeRecord
from storage.catalog.tables import Decision

_LOG = logging.getLogger(__name__)
ENOUGH = 50
"""Answers that calibrate a bundle."""


def calibrate(run: Run, bundle: BundleInfo | None = None) -> dict[str, Threshold]:
    """Make thresholds for ``bundle`` (default: the one that the service has loaded) from what people answered about
    its takes, as its scorers measured them; from then on they hold.

    Raises:
        TooFewLabels: fewer than :data:`ENOUGH` answers, or nothing was approved.
        ServiceError: no bundle is given and the service is unreachable.
    """
    bundle = bundle or run.service.bundle()
    with run.catalog.begin() as session:
        takes = [take for take in reviews.labelled_takes(session) if _is_of(take, bundle)]
    if len(takes) < ENOUGH:
        raise TooFewLabels(
            f"people answered about {len(takes)} takes of bundle {bundle.name!r} as it is now, {ENOUGH} are needed; "
            "until then a person decides about every take"
        )
    thresholds, evidence = thresholds_of(_by_dimension(takes))
    version = run.catalog.record_calibration(
        bundle, thresholds, len(takes), {name: asdict(each) for name, each in evidence.items()}
    )
    _LOG.info("bundle %r: thresholds of version %d from %d answers", bundle.name, version, len(takes))
    for name, each in evidence.items():
        _LOG.info("%s: accept %.3f (%.3f to %.3f)", name, thresholds[name].accept, each.low, each.high)
    return thresholds


def calibrate_when_due(run: Run, bundle: BundleInfo | None = None) -> bool:
    """Calibrate ``bundle`` (default: the service's) if nobody has and people have answered enough; whether it was done.

    Raises:
        ServiceError: no bundle is given and the service is unreachable.
    """
    bundle = bundle or run.service.bundle()
    if run.catalog.calibrated(bundle).calibrated:
        return False
    try:
        calibrate(run, bundle)
    except TooFewLabels as reason:
        _LOG.info("%s", reason)
        return False
    return True


def _is_of(take: TakeRecord, bundle: BundleInfo) -> bool:
    by = take.measured_by
    return by is not None and (by.fingerprint, by.scorers) == (bundle.fingerprint, bundle.scorers)


def _by_dimension(takes: Sequence[TakeRecord]) -> dict[str, Labelled]:
    found: dict[str, Labelled] = {}
    for name in (each.name for each in DIMENSIONS if not each.fixed):
        good = [take for take in takes if take.decision is Decision.APPROVE]
        bad = [take for take in takes if take.rejected]
        values = Labelled(_values(name, good), _values(name, bad))
        if values.good:
            found[name] = values
    return found


def _values(name: str, takes: Sequence[TakeRecord]) -> tuple[float, ...]:
    cards = (take.scorecard for take in takes)
    return tuple(card.values[name] for card in cards if card is not None and name in card.values)


def judge_again(
    run: Run, campaigns: Sequence[str] | None = None, *, bundle: BundleInfo | None = None, measure: bool = False
) -> dict[str, int]:
    """Judge every scored take whose shot is neither published nor answered by a person under the thresholds of today:
    the campaign's, then those calibrated for its bundle, then the bundle's. Publishes, asks and rejects accordingly.

    Needs the catalog and the bucket; no service, unless ``measure``.

    Args:
        bundle: thresholds to judge by, for takes that it measured; default: those that were recorded with each take.
        measure: measure takes again that other scorers measured than the service's.

    Returns:
        How many shots were looked at (``judged``), in how many the judgement on a take ``changed``, and the number of
        these per outcome.

    Raises:
        ServiceError: ``measure`` is asked for and the service is unreachable.
        ObjectError, CatalogError: the bucket or the database does not answer or refuses.
    """
    keys = run.catalog.scored_undecided(campaigns)
    if measure:
        measure_again(run, keys)
    overrides = {each.name: each.thresholds for each in run.catalog.campaigns(campaigns)}
    takes = run.catalog.takes(keys)
    changed: list[str] = []
    for shot in run.catalog.shots(keys):
        asked = replace(shot, thresholds=overrides[shot.campaign])
        count = sum(_judge_take_again(run, asked, take, bundle) for take in takes[shot.key])
        if count:
            changed.append(shot.key)
    outcomes = Counter(settle(run, changed))
    return {"judged": len(keys), "changed": len(changed), **outcomes}


def _judge_take_again(run: Run, shot: Shot, record: TakeRecord, bundle: BundleInfo | None) -> bool:
    """Whether the judgement is another one now."""
    if record.scorecard is None:
        return False
    known = record.measured_by
    if bundle is not None and known is not None and known.fingerprint == bundle.fingerprint:
        known = bundle
    if known is None:
        _LOG.warning("take %s: nobody noted which models measured it; run the campaign again", record.take.key)
        return False
    card = judge_take(record.scorecard.measured, shot, run.catalog.calibrated(known))
    if card == record.scorecard:
        return False
    run.catalog.record_scorecard(record.take.key, card)
    return True
