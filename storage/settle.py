"""The end of a shot's way: published, put before a person, or turned down."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from generation.brief import Rendition, Shot, Verdict
from storage.desk import Desk
from storage.object_errors import ObjectDiffers, ObjectMissing
from storage.provenance import BundleLabel
from storage.publish import NothingToPublish, publish
from storage.records import TakeRecord
from storage.shard import best_take
from storage.tables import ShotState

_LOG = logging.getLogger(__name__)
_OWN_FAULT = (ObjectMissing, ObjectDiffers, NothingToPublish)
"""What fails one shot; everything else about the bucket or the catalog is for the next attempt of the task."""


def settle(desk: Desk, keys: Sequence[str]) -> dict[str, int]:
    """Publish each shot whose best take is accepted, open a review where it is doubtful, turn down the rest.

    A shot that cannot be published is recorded as failed, and the others go on. Returns the number per outcome.

    Raises:
        ObjectError, CatalogError, ServiceError: the bucket refuses or is gone, the database or the service is gone.
    """
    takes, label = desk.catalog.takes(keys), bundle_label(desk)
    shots = desk.catalog.shots(keys)
    sizes = _renditions(desk, shots)
    outcomes: Counter[str] = Counter()
    for shot in shots:
        best = best_take(takes[shot.key])
        outcome = ShotState.FAILED
        if best is None or best.scorecard is None:
            desk.catalog.record_failure(shot.key, "publish", "no take of it was scored; run the campaign again")
        elif best.scorecard.verdict is Verdict.ACCEPT:
            outcome = _publish(desk, shot, best, sizes[shot.campaign], label)
        elif best.scorecard.verdict is Verdict.REJECT:
            desk.catalog.record_rejection(shot.key, best.scorecard.reasons)
            outcome = ShotState.REJECTED
        else:
            desk.catalog.open_review(shot.key, best.take.key, best.scorecard.reasons)
            outcome = ShotState.REVIEW
        outcomes[outcome.value] += 1
        _LOG.info("%s in %s: %s", shot.product.sku, shot.environment.name, outcome.value)
    return dict(outcomes)


def publish_approved(desk: Desk) -> dict[str, int]:
    """Publish what people approved since; errors as :func:`settle`."""
    waiting = desk.catalog.approved_unpublished()
    if not waiting:
        return {}
    label = bundle_label(desk)
    sizes = _renditions(desk, [review.shot for review in waiting])
    outcomes: Counter[str] = Counter()
    for review in waiting:
        outcome = _publish(desk, review.shot, review.take, sizes[review.shot.campaign], label)
        outcomes[outcome.value] += 1
        _LOG.info("%s, approved by %s: %s", review.shot.product.sku, review.decided_by, outcome.value)
    return dict(outcomes)


def bundle_label(desk: Desk) -> BundleLabel:
    """The loaded bundle, as manifests name it."""
    info = desk.service.bundle()
    return BundleLabel(info.name, info.fingerprint, info.licence, info.commercial, info.stand_in, info.recipe)


def _publish(
    desk: Desk, shot: Shot, take: TakeRecord, renditions: Sequence[Rendition], label: BundleLabel
) -> ShotState:
    try:
        publish(shot, take, renditions, label, objects=desk.objects, catalog=desk.catalog, run_id=desk.run_id)
    except _OWN_FAULT as error:
        desk.catalog.record_failure(shot.key, "publish", str(error))
        _LOG.error("%s cannot be published: %s", shot.product.sku, error)
        return ShotState.FAILED
    return ShotState.PUBLISHED


def _renditions(desk: Desk, shots: Sequence[Shot]) -> Mapping[str, Sequence[Rendition]]:
    names = sorted({shot.campaign for shot in shots})
    return {campaign.name: campaign.renditions for campaign in desk.catalog.campaigns(names)}
