"""What becomes of the shots of a run: published, asked a person about, turned down; and what people approve later.

Errors of one shot are its own, and the others go on.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache

from brief.dimensions import sentences
from brief.images import ImageRefused
from brief.types import Shot, Verdict
from pipeline.credentials import Signer, SigningError
from pipeline.judge import best_take
from pipeline.provenance import ManifestDamaged
from pipeline.publish import NothingToPublish, Publishing, RenditionDoubtful, publish, wanted_digest
from pipeline.run import Run
from pipeline.stages import is_whole
from storage.bucket.errors import ObjectDamaged, ObjectMissing
from storage.catalog.database import in_parts
from storage.catalog.errors import AnswerTakenBack
from storage.catalog.records import TakeRecord
from storage.catalog.tables import Decision, ShotState

_LOG = logging.getLogger(__name__)
ASKED_FOR = "a person turned down a take of it before"
"""Reason of a review of what was made on a person's wish."""
SIGN_OFF = "good by its scores; waits for the sign-off of its run"
"""Reason of a review of what a run holds back."""
_REFRESHED = 200
"""Publications that are brought to new renditions on one look at the database."""
_OWN_FAULT = (ImageRefused, ManifestDamaged, NothingToPublish, ObjectDamaged, ObjectMissing, SigningError)
"""What fails one shot; everything else about the bucket or the catalog is for the next attempt of the task."""


def settle(run: Run, keys: Sequence[str], *, hold: bool = False) -> dict[str, int]:
    """Publish each shot whose best take is accepted, open a review where it is doubtful, turn down the rest.

    With ``hold`` what is accepted waits for the run's sign-off (:mod:`pipeline.sign_off`). A shot for which a person
    turned down a take before goes before a person again, whatever its new take scored. A shot that cannot be published
    is recorded as failed, and the others go on. Returns the number per outcome.

    Raises:
        ObjectError, CatalogError: the bucket or the database refuses or does not answer.
        SigningError: the signer's certificate or key cannot be read.
    """
    takes, shots = run.catalog.takes(keys), run.catalog.shots(keys)
    publishing = _publisher(run, shots)
    outcomes: Counter[str] = Counter()
    for shot in shots:
        outcome = _settle(run, shot, takes[shot.key], publishing, hold=hold)
        outcomes[outcome.value] += 1
        _LOG.info("%s in %s: %s", shot.product.sku, shot.environment.name, outcome.value)
    return dict(outcomes)


_Publisher = Callable[[Shot, TakeRecord], Publishing]


def _publisher(run: Run, shots: Sequence[Shot]) -> _Publisher:
    names = sorted({shot.campaign for shot in shots})
    campaigns = {campaign.name: campaign for campaign in run.catalog.campaigns(names)}
    words = run.catalog.own_words([shot.key for shot in shots])
    signer = Signer.from_environment()

    def make(shot: Shot, record: TakeRecord) -> Publishing:
        return Publishing(shot, record, campaigns[shot.campaign], run.objects, signer, words.get(shot.key, ""))

    return make


def _settle(run: Run, shot: Shot, takes: Sequence[TakeRecord], publishing: _Publisher, *, hold: bool) -> ShotState:
    turned_down = [each for each in takes if each.rejected]
    best = best_take(takes)
    if best is None and turned_down:
        run.catalog.open_review(shot.key, turned_down[-1].take.key, ())  # which keeps the person's answer
        return ShotState.REJECTED
    if best is None or best.scorecard is None:
        run.catalog.record_failure(shot.key, "publish", "no take of it was scored; run the campaign again")
        return ShotState.FAILED
    verdict, reasons = best.scorecard.verdict, sentences(best.scorecard)
    if turned_down and best.decision is None:
        verdict, reasons = Verdict.REVIEW, (ASKED_FOR, *reasons)
    if hold and verdict is Verdict.ACCEPT and best.decision is None:
        verdict, reasons = Verdict.REVIEW, (SIGN_OFF,)
    if verdict is Verdict.ACCEPT or best.decision is Decision.APPROVE:
        return _publish(run, publishing(shot, best), approved=best.decision is Decision.APPROVE)
    if verdict is Verdict.REJECT:
        run.catalog.record_rejection(shot.key, reasons)
        return ShotState.REJECTED
    run.catalog.open_review(shot.key, best.take.key, reasons)
    return ShotState.REVIEW


def publish_approved(run: Run) -> dict[str, int]:
    """Publish what people approved since; errors as :func:`settle`."""
    waiting = run.catalog.approved_unpublished()
    publishing = _publisher(run, [review.shot for review in waiting])
    outcomes: Counter[str] = Counter()
    for review in waiting:
        outcome = _publish(run, publishing(review.shot, review.take), approved=True)
        outcomes[outcome.value] += 1
        _LOG.info("%s, approved by %s: %s", review.shot.product.sku, review.decided_by, outcome.value)
    return dict(outcomes)


def _publish(run: Run, work: Publishing, *, approved: bool) -> ShotState:
    shot = work.shot
    if not is_whole(run, work.record.outputs.get("refine")):
        run.catalog.record_loss(
            shot.key, "its picture is missing from the bucket or damaged; the next run makes it again"
        )
        return ShotState.PLANNED
    try:
        publish(work, run.catalog, run.id, approved=approved)
    except AnswerTakenBack as error:
        _LOG.info("%s: %s; it waits for an answer again", shot.product.sku, error)
        return ShotState.REVIEW
    except RenditionDoubtful as error:
        run.catalog.open_review(shot.key, work.record.take.key, error.reasons)
        return ShotState.REVIEW
    except _OWN_FAULT as error:
        run.catalog.record_failure(shot.key, "publish", str(error))
        _LOG.error("%s cannot be published: %s", shot.product.sku, error)
        return ShotState.FAILED
    return ShotState.PUBLISHED


def refresh_renditions(run: Run, campaigns: Sequence[str] | None = None) -> dict[str, int]:
    """Bring what is published to the renditions and alt texts that its campaigns want now, from the masters: no models
    are needed. Returns the number of publications that ``stayed`` and were ``refreshed``, and that ``failed``.

    Raises:
        ObjectError, CatalogError: the bucket or the database does not answer or refuses.
    """
    briefs = {each.name: each for each in run.catalog.campaigns(campaigns)}
    digests = cache(lambda name, own_words, approved: wanted_digest(briefs[name], own_words, approved))
    outcomes: Counter[str] = Counter()
    for part in run.catalog.brought_to(list(briefs)):
        stale = [each for each in part if each.wanted != digests(each.campaign, each.own_words, each.approved)]
        if len(stale) < len(part):
            outcomes["stayed"] += len(part) - len(stale)
        for some in in_parts([each.shot_key for each in stale], _REFRESHED):
            outcomes.update(_refresh(run, some))
    return dict(outcomes)


def _refresh(run: Run, keys: Sequence[str]) -> Iterator[str]:
    """Bring some publications to what is wanted now; what became of each."""
    found = run.catalog.publications_of(keys)
    publishing = _publisher(run, [shot for shot, _, _ in found])
    for shot, take, there in found:
        try:
            fresh = publish(publishing(shot, take), run.catalog, run.id)
            yield "stayed" if fresh.manifest == there.manifest else "refreshed"
        except _OWN_FAULT as error:
            _LOG.error("%s: renditions stay as they are: %s", shot.product.sku, error)
            yield "failed"
