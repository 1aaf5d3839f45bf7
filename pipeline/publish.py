"""Publish a shot: master, renditions and manifest into the bucket, then its row into the catalog.

The manifest is the last object and the row comes after it. So where a manifest is, its pictures are; where a row is,
all is; and a crash anywhere leaves only objects that nobody refers to, which the next attempt takes over. What decides
a file is in its key, so files are written once and what another attempt wrote first is kept.

Renditions that a campaign adds, changes or removes later are made from the master, without the models.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from PIL import Image
from pydantic import TypeAdapter, ValidationError

from brief.errors import PipelineError
from brief.formats import RENDITION_FORMATS
from brief.images import read_image
from brief.recipe import digest
from brief.types import Campaign, Composition, ImageRef, Publication, Rendition, Shot, Take
from pipeline.credentials import Origin, Signer, signed
from pipeline.current import remove_published
from pipeline.provenance import (
    PublishedFile,
    Refused,
    Told,
    manifest,
    read_manifest,
    with_renditions,
    xmp_packet,
)
from pipeline.renditions import Rendered, Sources, encode, render
from pipeline.words import alt_text
from storage.bucket import keys as object_keys
from storage.bucket.errors import ObjectMissing
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.catalog.errors import AnswerTakenBack
from storage.catalog.records import TakeRecord
from storage.catalog.runs import RunKey
from storage.catalog.tables import Decision

if TYPE_CHECKING:
    from generation.scene.layout import Variation

_COMPOSITION = TypeAdapter(Composition)
_RENDITION = TypeAdapter(Rendition)
_LOG = logging.getLogger(__name__)


_VARIED = 3
"""The version of the recipes since which each take shows a part of the photo of its own."""


class NothingToPublish(PipelineError, ValueError):
    """A take that was never refined or scored."""


class RenditionDoubtful(PipelineError, ValueError):
    """Renditions that their channels would not take; ``reasons`` say which, why and what to do."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


@dataclass(frozen=True)
class Publishing:
    """Publishing one take of a shot for a campaign.

    Attributes:
        record: the take with its refined picture and its scorecard, as the catalog has it.
        signer: signs every file; ``None`` leaves them unsigned.
        own_words: alt text that a person wrote.
    """

    shot: Shot
    record: TakeRecord
    campaign: Campaign
    objects: Objects
    signer: Signer | None = None
    own_words: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @cached_property
    def told(self) -> Told:
        """What is told of the picture."""
        words = self.own_words or alt_text(self.shot, self.campaign.language)
        return Told(self.shot, self.record, self._composition, words, self.campaign.language, self.at, self._steps)

    @property
    def wanted(self) -> str:
        """Digest of what its publication is brought to; see :func:`_wanted`."""
        return wanted_digest(self.campaign, self.own_words, self.record.approved)

    def taken_as_it_is(self, problems: Sequence[str]) -> bool:
        """Whether a rendition with these problems may be made: it has none, or a person approved just those."""
        return set(problems) <= set(self.record.approved)

    def has_other_words(self, content: Mapping[str, Any]) -> bool:
        """Whether the alt text of a manifest is not what is told now: a person wrote another, or the campaign speaks
        another language. Templates that a later version words otherwise leave it alone."""
        noted = content.get("alt_text", {})
        if self.own_words:
            return bool(self.own_words != noted.get("text"))
        return bool(noted) and bool(noted.get("language") != self.campaign.language)

    @cached_property
    def _composition(self) -> Composition:
        """As noted with the composed picture; from the layout where nobody noted it, as before this was done."""
        composed = self.record.composed
        facts = self.objects.head(composed.key) if composed else None
        try:
            return _COMPOSITION.validate_json(facts.notes.get(object_keys.COMPOSITION, "") if facts else "")
        except ValidationError:
            from generation.scene.layout import composition_of

            return composition_of(self.shot)

    @cached_property
    def _steps(self) -> tuple[str, ...]:
        """As noted with the refined picture; none where nobody noted it."""
        refined = self.record.refined
        facts = self.objects.head(refined.key) if refined else None
        return tuple(json.loads(facts.notes.get(object_keys.STEPS, "[]"))) if facts else ()

    @cached_property
    def _mark(self) -> bytes:
        return xmp_packet(self.told)

    def _place(self, size: tuple[int, int]) -> Image.Image:
        """The part of the place's photo that the take shows, RGB, in ``size``."""
        from generation.scene.collage import fit

        ref = self.shot.environment.photo
        photo = read_image(self.objects.get(ref.key, ref.sha256), f"photo of {self.shot.environment.name!r}")
        return fit(photo, size, self._variation)

    def _shadow(self, product: Image.Image) -> Image.Image | None:
        """The contact shadow that the take was laid out with, as :func:`generation.scene.collage.contact_shadow`."""
        from generation.scene.collage import contact_shadow
        from generation.scene.layout import LAYOUTS

        stands = LAYOUTS[self.shot.framing].stands
        return contact_shadow(product, self._variation.shadow) if stands else None

    @property
    def _variation(self) -> Variation:
        from generation.scene.layout import MEAN, Variation

        made_by = self.record.made_by
        varied = made_by is not None and made_by.recipe_version >= _VARIED
        return Variation.of(self.record.take.seed) if varied else MEAN

    def _product(self) -> Image.Image:
        """The product cut out of its packshot, as the service did it; it is cut here where nobody kept that."""
        ref, what = self.shot.product.packshot, f"packshot of {self.shot.product.sku!r}"
        try:
            return read_image(self.objects.get(object_keys.cut_product(ref.sha256)), f"cut-out of the {what}")
        except ObjectMissing:
            from generation.scene.cutout import cut_out

            return cut_out(read_image(self.objects.get(ref.key, ref.sha256), what), what).image

    def version(self, picture: str, wanted: Rendition | None) -> str:
        """What decides a file, as a part of its key: the picture's digest, what is wanted and what is told."""
        told = [self.told.alt_text, self.told.language, self.told.source_type]
        return digest([picture, _RENDITION.dump_python(wanted) if wanted else None, told, bool(self.signer)])[:8]

    def write(self, key: str, data: bytes, file: PublishedFile) -> PublishedFile:
        """Sign and write a file; one that an earlier attempt left under this key is as good and stays."""
        if self.signer is not None:
            origin = Origin(
                self.shot, self.record.take.key, self.record.made_by, self.told.source_type, self.told.portrait,
                placed="product" in self.told.composition.kept,
            )  # fmt: skip
            data = signed(data, file.content_type, key.rpartition("/")[2], origin, self.signer)
        stored = self.objects.put(key, data, file.content_type, keep_first=True)
        size = len(data) if not stored.kept else len(self.objects.get(key, stored.sha256))
        return replace(file, ref=stored.ref, size=size)

    def rendered(self, picture: Image.Image, wanted: Rendition) -> Rendered:
        """A rendition's file, not yet written."""
        sources = Sources(self._product, self._place, self._shadow)
        return render(picture, wanted, self.told.composition.areas, sources, self._mark)

    def write_master(self, picture: Image.Image, sha256: str) -> PublishedFile:
        """The picture in full size."""
        key = object_keys.master(self.shot, self.version(sha256, None))
        data = encode(picture, RENDITION_FORMATS["png"], 100, self._mark, full_colour=True)
        return self.write(key, data, PublishedFile(ImageRef(key, ""), "image/png", *picture.size, size=0))

    def write_rendition(self, made: Rendered, wanted: Rendition, sha256: str) -> PublishedFile:
        """A rendition of the picture with digest ``sha256``."""
        key = object_keys.rendition(self.shot, wanted.name, wanted.format, self.version(sha256, wanted))
        file = PublishedFile(
            ImageRef(key, ""), object_keys.content_type(key), *made.size, size=0, enlarged=made.enlarged,
            added=made.added, quality=made.quality, wanted=wanted, problems=made.problems, notes=made.notes,
        )  # fmt: skip
        return self.write(key, made.data, file)


def publish(work: Publishing, catalog: Catalog, run: RunKey, *, approved: bool = False) -> Publication:
    """Publish a take of a shot. What was published for the shot before stays, whichever the take; only its renditions
    are brought to what the campaign wants now, and a person is asked about those that break their channel's rules.

    Args:
        approved: because a person approved the take.

    Raises:
        NothingToPublish: the take lacks its refined picture or its scorecard.
        RenditionDoubtful: a channel's rules cannot be kept, and no person has approved the take. Nothing is published.
        SigningError: the files cannot be signed.
        ManifestDamaged: what was published before has a manifest that cannot be read.
        ObjectError: something about the bucket; nothing was recorded in the catalog.
        AnswerTakenBack: the person took that back meanwhile; what was written has left the bucket again.
        CatalogError: something about the catalog; the objects are there and another attempt finds them.
    """
    before = _published_before(work.shot, work.objects)
    if before is None:
        publication, take = _write(work)
        try:
            catalog.record_publication(publication, run, take, approved=approved, wanted=work.wanted)
        except AnswerTakenBack:
            remove_published(work.objects, work.shot)
            raise
        return publication
    publication, take, content = before
    brought = _with_wanted_renditions(work, publication, content)
    catalog.record_publication(brought.publication, run, take, wanted=work.wanted, asks=brought.asks)
    for key in brought.gone:
        work.objects.delete(key)
    return brought.publication


def _published_before(shot: Shot, objects: Objects) -> tuple[Publication, Take, Mapping[str, Any]] | None:
    number, key = 0, ""
    while (there := objects.head(object_keys.manifest(shot, number + 1))) is not None:
        number, key, sha256 = number + 1, there.key, there.sha256
    if not number:
        return None
    ref = ImageRef(key, sha256 or objects.sha256(key))
    data = objects.get(key, ref.sha256)
    return *read_manifest(ref, data), json.loads(data)


def _write(work: Publishing) -> tuple[Publication, Take]:
    shot, record, objects = work.shot, work.record, work.objects
    if record.refined is None or record.scorecard is None:
        lacks = "refined" if record.refined is None else "scored"
        raise NothingToPublish(f"take {record.take.number} of shot {shot.key} was not {lacks}; run that stage first")
    data = objects.get(record.refined.key, record.refined.sha256)
    picture = read_image(data, f"refined take {record.take.number} of shot {shot.key}").convert("RGB")
    made = {each.name: work.rendered(picture, each) for each in work.campaign.renditions}
    problems = [problem for each in made.values() for problem in each.problems]
    if problems and record.decision is not Decision.APPROVE:
        raise RenditionDoubtful(problems)
    source = record.refined.sha256
    master = work.write_master(picture, source)
    files = {each.name: work.write_rendition(made[each.name], each, source) for each in work.campaign.renditions}
    key = object_keys.manifest(shot)
    content = manifest(work.told, master, files, {}, _name_of(work.signer))
    stored = objects.put(key, content, object_keys.content_type(key), keep_first=True)
    # Another run may have been first; then its manifest counts, whose timings differ from ours.
    return read_manifest(stored.ref, objects.get(key, stored.sha256) if stored.kept else content)


@dataclass(frozen=True, slots=True)
class _Brought:
    """A publication with the renditions that its campaign wants now, the keys of the files that go, and what a person
    is to be asked about those that were not made; ``None`` where they were asked before."""

    publication: Publication
    gone: Sequence[str] = ()
    asks: Sequence[str] | None = None


def _with_wanted_renditions(work: Publishing, publication: Publication, content: Mapping[str, Any]) -> _Brought:
    there, refused_then = content["renditions"], content.get("refused_renditions", {})
    kept, todo, refused = {}, [], {}
    for wanted in work.campaign.renditions:
        entry = refused_then.get(wanted.name)
        if not work.has_other_words(content) and is_aswanted_digest(there.get(wanted.name), wanted):
            kept[wanted.name] = there[wanted.name]
        elif entry and _wanted_of(entry) == wanted and not work.taken_as_it_is(entry["problems"]):
            refused[wanted.name] = Refused(wanted, tuple(entry["problems"]))
        else:
            todo.append(wanted)
    names = {wanted.name for wanted in work.campaign.renditions}
    gone = [entry["ref"]["key"] for name, entry in there.items() if name not in names]
    if not todo and not gone and set(refused) == set(refused_then):
        return _Brought(publication, asks=None if refused else ())
    files, fresh = _made_late(work, publication, todo)
    asks = (
        None if refused and not fresh else [problem for each in (refused | fresh).values() for problem in each.problems]
    )
    key = object_keys.manifest(work.shot, _next_manifest(work))
    stored = work.objects.put(
        key, with_renditions(content, work.told, files, refused | fresh, kept, _name_of(work.signer)),
        object_keys.content_type(key), keep_first=True,
    )  # fmt: skip
    return _Brought(read_manifest(stored.ref, work.objects.get(key, stored.sha256))[0], gone, asks)


def _made_late(
    work: Publishing, publication: Publication, todo: Sequence[Rendition]
) -> tuple[dict[str, PublishedFile], dict[str, Refused]]:
    """Renditions of the master, and those that break their channel's rules and that nobody approved."""
    files: dict[str, PublishedFile] = {}
    refused: dict[str, Refused] = {}
    if not todo:
        return files, refused
    data = work.objects.get(publication.master.key, publication.master.sha256)
    picture = read_image(data, f"master of shot {work.shot.key}").convert("RGB")
    for wanted in todo:
        made = work.rendered(picture, wanted)
        if work.taken_as_it_is(made.problems):
            files[wanted.name] = work.write_rendition(made, wanted, publication.master.sha256)
        else:
            refused[wanted.name] = Refused(wanted, made.problems)
            _LOG.warning("%s: waits for approval: %s", work.shot.product.sku, "; ".join(made.problems))
    return files, refused


def _next_manifest(work: Publishing) -> int:
    number = 2
    while work.objects.exists(object_keys.manifest(work.shot, number)):
        number += 1
    return number


def is_aswanted_digest(entry: Mapping[str, Any] | None, wanted: Rendition) -> bool:
    """Whether a manifest's entry of a rendition is what the campaign wants now."""
    if entry is None:
        return False
    then = _wanted_of(entry)
    if then is not None:
        return then == wanted
    # Version 2 of the manifest did not say what was wanted; its files were of exactly the asked size.
    same_size = (entry["width"], entry["height"]) == (wanted.width, wanted.height)
    return same_size and entry["content_type"] == RENDITION_FORMATS[wanted.format].mime and not wanted.fill


def _wanted_of(entry: Mapping[str, Any]) -> Rendition | None:
    return _RENDITION.validate_python(entry["wanted"]) if entry.get("wanted") else None


def _name_of(signer: Signer | None) -> str:
    return signer.organisation if signer else ""


def wanted_digest(campaign: Campaign, own_words: str, approved: Sequence[str]) -> str:
    """Digest of all that decides which renditions a publication has: what its campaign wants, in which words, and what
    a person approved of what a channel would not take."""
    asked = [_RENDITION.dump_python(each) for each in campaign.renditions]
    return digest([asked, campaign.language, own_words, sorted(approved)])
