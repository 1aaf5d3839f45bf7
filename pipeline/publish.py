"""Publish a shot: master, renditions and manifest into the bucket, then its row into the catalog.

The manifest is the last object and the row comes after it. So where a manifest is, its pictures are; where a row is,
all is; and a crash anywhere leaves only objects that nobody refers to, which the next attempt takes over.
"""

from __future__ import annotations

import io
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from brief.dimensions import sentences
from brief.formats import RENDITION_FORMATS, RenditionFormat
from brief.images import ImageRefused, read_image
from brief.types import ImageRef, Publication, Rendition, Shot, Take, Verdict
from pipeline.judge import best_take
from pipeline.provenance import ManifestDamaged, PublishedFile, manifest, read_manifest, xmp_packet
from pipeline.run import Run
from pipeline.stages import is_whole
from pipeline.withdraw import remove_published
from storage.bucket import keys as object_keys
from storage.bucket.errors import ObjectDiffers, ObjectMissing
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.catalog.errors import AnswerTakenBack
from storage.catalog.records import TakeRecord
from storage.catalog.runs import RunKey
from storage.catalog.tables import Decision, ShotState

XMP_IN_PNG = "XML:com.adobe.xmp"
ASKED_FOR = "a person turned down a take of it before"
"""Reason of a review of what was made on a person's wish."""


SIGN_OFF = "good by its scores; waits for the sign-off of its run"
"""Reason of a review of what a run holds back."""


class NothingToPublish(ValueError):
    """A take that was never refined or scored."""


def publish(
    shot: Shot,
    record: TakeRecord,
    renditions: Sequence[Rendition],
    *,
    objects: Objects,
    catalog: Catalog,
    run: RunKey,
    approved: bool = False,
) -> Publication:
    """Publish one take of a shot. What was published for the shot before stays and is returned, whichever the take.

    Args:
        record: the take with its refined picture and its scorecard, as the catalog has it.
        renditions: sizes of the shot's campaign.
        approved: because a person approved the take.

    Raises:
        NothingToPublish: the take lacks its refined picture or its scorecard.
        ManifestDamaged: what was published before has a manifest that cannot be read.
        ObjectError: something about the bucket; nothing was recorded in the catalog.
        AnswerTakenBack: the person took that back meanwhile; what was written has left the bucket again.
        CatalogError: something about the catalog; the objects are there and another attempt finds them.
    """
    before = _published_before(shot, objects)
    publication, take = before or _write(shot, record, renditions, objects)
    try:
        catalog.record_publication(publication, run, take, approved=approved)
    except AnswerTakenBack:
        remove_published(objects, shot)
        raise
    return publication


def _published_before(shot: Shot, objects: Objects) -> tuple[Publication, Take] | None:
    key = object_keys.manifest(shot)
    there = objects.head(key)
    if there is None:
        return None
    ref = ImageRef(key, there.sha256 or objects.sha256(key))
    return read_manifest(ref, objects.get(key, ref.sha256))


def _write(
    shot: Shot, record: TakeRecord, renditions: Sequence[Rendition], objects: Objects
) -> tuple[Publication, Take]:
    if record.refined is None or record.scorecard is None:
        lacks = "refined" if record.refined is None else "scored"
        raise NothingToPublish(f"take {record.take.number} of shot {shot.key} was not {lacks}; run that stage first")
    data = objects.get(record.refined.key, record.refined.sha256)
    picture = read_image(data, f"refined take {record.take.number} of shot {shot.key}").convert("RGB")
    mark = xmp_packet(shot, record.made_by)
    master = _put(objects, object_keys.master(shot), encode_master(picture, mark), picture.size)
    files = {}
    for each in renditions:
        key = object_keys.rendition(shot, each.name, each.format)
        file = _put(objects, key, encode_rendition(picture, each, mark), (each.width, each.height))
        files[each.name] = replace(file, enlarged=round(_enlarged(picture.size, each), 3))
    key = object_keys.manifest(shot)
    content = manifest(shot, record, master, files)
    stored = objects.put(key, content, object_keys.content_type(key), keep_first=True)
    # Another run may have been first; then its manifest counts, whose timings differ from ours.
    return read_manifest(stored.ref, objects.get(key, stored.sha256) if stored.kept else content)


def encode_master(picture: Image.Image, mark: bytes) -> bytes:
    """Lossless PNG with the XMP packet ``mark``."""
    return _encode(picture, RENDITION_FORMATS["png"], 100, mark)


def encode_rendition(picture: Image.Image, wanted: Rendition, mark: bytes) -> bytes:
    """A file of exactly the asked size: scaled to cover it, the longer side cropped about the middle."""
    fitted = ImageOps.fit(picture, (wanted.width, wanted.height), Image.Resampling.LANCZOS)
    return _encode(fitted, RENDITION_FORMATS[wanted.format], wanted.quality, mark)


def _encode(picture: Image.Image, kind: RenditionFormat, quality: int, mark: bytes) -> bytes:
    buffer = io.BytesIO()
    carrier: dict[str, Any] = {"xmp": mark}
    if kind.pillow == "PNG":  # for which Pillow has no ``xmp=``, so it goes in as text
        info = PngInfo()
        info.add_itxt(XMP_IN_PNG, mark.decode())
        carrier = {"pnginfo": info}
    picture.save(buffer, kind.pillow, **kind.options(quality), **carrier)
    return buffer.getvalue()


def _put(objects: Objects, key: str, data: bytes, size: tuple[int, int]) -> PublishedFile:
    content_type = object_keys.content_type(key)
    stored = objects.put(key, data, content_type)
    return PublishedFile(stored.ref, content_type, *size, size=len(data))


def _enlarged(master: tuple[int, int], wanted: Rendition) -> float:
    return max(1.0, wanted.width / master[0], wanted.height / master[1])


_LOG = logging.getLogger(__name__)
_OWN_FAULT = (ImageRefused, ManifestDamaged, NothingToPublish, ObjectDiffers, ObjectMissing)
"""What fails one shot; everything else about the bucket or the catalog is for the next attempt of the task."""


def settle(run: Run, keys: Sequence[str], *, hold: bool = False) -> dict[str, int]:
    """Publish each shot whose best take is accepted, open a review where it is doubtful, turn down the rest.

    With ``hold`` what is accepted waits for the run's sign-off (:mod:`pipeline.sign_off`). A shot for which a person
    turned down a take before goes before a person again, whatever its new take scored. A shot that cannot be published
    is recorded as failed, and the others go on. Returns the number per outcome.

    Raises:
        ObjectError, CatalogError: the bucket or the database refuses or is gone.
    """
    takes, shots = run.catalog.takes(keys), run.catalog.shots(keys)
    sizes = _renditions(run, shots)
    outcomes: Counter[str] = Counter()
    for shot in shots:
        outcome = _settle(run, shot, takes[shot.key], sizes[shot.campaign], hold=hold)
        outcomes[outcome.value] += 1
        _LOG.info("%s in %s: %s", shot.product.sku, shot.environment.name, outcome.value)
    return dict(outcomes)


def _settle(
    run: Run, shot: Shot, takes: Sequence[TakeRecord], renditions: Sequence[Rendition], *, hold: bool
) -> ShotState:
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
        return _publish(run, shot, best, renditions, approved=best.decision is Decision.APPROVE)
    if verdict is Verdict.REJECT:
        run.catalog.record_rejection(shot.key, reasons)
        return ShotState.REJECTED
    run.catalog.open_review(shot.key, best.take.key, reasons)
    return ShotState.REVIEW


def publish_approved(run: Run) -> dict[str, int]:
    """Publish what people approved since; errors as :func:`settle`."""
    waiting = run.catalog.approved_unpublished()
    sizes = _renditions(run, [review.shot for review in waiting])
    outcomes: Counter[str] = Counter()
    for review in waiting:
        outcome = _publish(run, review.shot, review.take, sizes[review.shot.campaign], approved=True)
        outcomes[outcome.value] += 1
        _LOG.info("%s, approved by %s: %s", review.shot.product.sku, review.decided_by, outcome.value)
    return dict(outcomes)


def _publish(
    run: Run, shot: Shot, take: TakeRecord, renditions: Sequence[Rendition], *, approved: bool = False
) -> ShotState:
    if not is_whole(run, take.outputs.get("refine")):
        run.catalog.record_loss(shot.key, "its picture is gone from the bucket or damaged; the next run makes it again")
        return ShotState.PLANNED
    try:
        publish(shot, take, renditions, objects=run.objects, catalog=run.catalog, run=run.id, approved=approved)
    except AnswerTakenBack as error:
        _LOG.info("%s: %s; it waits for an answer again", shot.product.sku, error)
        return ShotState.REVIEW
    except _OWN_FAULT as error:
        run.catalog.record_failure(shot.key, "publish", str(error))
        _LOG.error("%s cannot be published: %s", shot.product.sku, error)
        return ShotState.FAILED
    return ShotState.PUBLISHED


def _renditions(run: Run, shots: Sequence[Shot]) -> Mapping[str, Sequence[Rendition]]:
    names = sorted({shot.campaign for shot in shots})
    return {campaign.name: campaign.renditions for campaign in run.catalog.campaigns(names)}
