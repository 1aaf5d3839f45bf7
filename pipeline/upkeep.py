"""Looking after what is kept: clearing what no plan wants any more, healing what is published."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from brief.types import ImageRef, Publication, Shot
from pipeline.credentials import Signer
from pipeline.publish import Publishing, publish
from pipeline.run import Run
from pipeline.stages import is_whole
from storage.bucket import keys as object_keys
from storage.bucket.errors import ObjectDamaged, ObjectMissing
from storage.catalog.records import StageOutput, TakeRecord
from storage.catalog.tables import Decision

_LOG = logging.getLogger(__name__)


def clear_takes(run: Run, days: int) -> int:
    """Delete the pictures of takes whose shots were superseded more than ``days`` days ago; returns how many shots.

    Objects go first, then the rows' references to them: a crash between the two leaves nothing that is lost for good,
    since a shot that is wanted again is made again. Scorecards and all that was published stay.

    Raises:
        ValueError: less than one day.
        ObjectError, CatalogError: the bucket or the database does not answer or refuses.
    """
    if days < 1:
        raise ValueError(f"keep_days is {days}, it must be 1 or more")
    keys = run.catalog.superseded_with_pictures(datetime.now(UTC) - timedelta(days=days))
    for key in keys:
        run.objects.delete_prefix(object_keys.previews_of(object_keys.takes_of(key)))
        count = run.objects.delete_prefix(object_keys.takes_of(key))
        run.catalog.forget_pictures(key)
        _LOG.info("shot %s: %d objects of its takes deleted", key, count)
    return len(keys)


def heal_published(run: Run, campaigns: Sequence[str] | None = None) -> dict[str, int]:
    """Compare every published file with its recorded SHA-256, and publish again, from the take's picture or else from
    the master, what is missing or damaged. Where neither is whole, the shot is planned again and the next run makes it.

    Of these campaigns (``None``: of all). Returns how many publications were ``whole``, ``healed``, ``planned`` again.

    Raises:
        ObjectError, CatalogError: the bucket or the database does not answer or refuses.
    """
    outcomes: Counter[str] = Counter()
    after = ""
    while page := run.catalog.publications(after, campaigns=campaigns):
        for shot, take, publication in page:
            files = (publication.master, publication.manifest, *publication.renditions.values())
            if all(_is_as_recorded(run, ref) for ref in files):
                outcomes["whole"] += 1
            else:
                outcomes[_heal(run, shot, take, publication)] += 1
        after = page[-1][0].key
    return dict(outcomes)


def _heal(run: Run, shot: Shot, take: TakeRecord, publication: Publication) -> str:
    rescued = f"{object_keys.takes_of(shot.key)}{take.take.key}/rescued.png"
    if not is_whole(run, take.outputs.get("refine")):
        if not _is_as_recorded(run, publication.master):
            run.objects.delete_prefix(object_keys.published(shot))
            run.catalog.forget_publication(shot.key, "its published files and its picture are missing or damaged")
            _LOG.error("%s: published files and picture are lost; the next run makes it again", shot.product.sku)
            return "planned"
        copy = run.objects.put(rescued, run.objects.get(publication.master.key), "image/png", keep_first=True)
        take = replace(take, outputs={**take.outputs, "refine": StageOutput(copy.ref, made_by=take.made_by)})
    (campaign,) = run.catalog.campaigns([shot.campaign])
    # What was not published is for whoever brings publications to new renditions, and for a person.
    published = tuple(each for each in campaign.renditions if each.name in publication.renditions)
    campaign = replace(campaign, renditions=published)
    words = run.catalog.own_words([shot.key]).get(shot.key, "")
    # It was accepted or approved once, so what its channels say of its renditions does not hold it back.
    approved = replace(take, decision=Decision.APPROVE)
    run.objects.delete_prefix(object_keys.published(shot))
    work = Publishing(shot, approved, campaign, run.objects, Signer.from_environment(), words)
    publish(work, run.catalog, run.id)
    run.objects.delete(rescued)
    _LOG.warning("%s: published files were missing or damaged and are published again", shot.product.sku)
    return "healed"


def _is_as_recorded(run: Run, ref: ImageRef) -> bool:
    try:
        run.objects.get(ref.key, ref.sha256)
    except (ObjectMissing, ObjectDamaged) as error:
        _LOG.warning("%s", error)
        return False
    return True
