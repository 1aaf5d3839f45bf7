"""What tells a published picture's origin: a mark in every file, and the manifest beside them.

The mark is XMP's ``Iptc4xmpExt:DigitalSourceType`` with IPTC's term for composites with what a model made
(https://cv.iptc.org/newscodes/digitalsourcetype/), which platforms read to label synthetic media. Signed credentials
are :mod:`pipeline.credentials`. There is no invisible mark in the pixels: the robust ones (TrustMark, VideoSeal) fetch
their weights when they run, and a mark that only we can read proves nothing to others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from pydantic import TypeAdapter

from brief.dimensions import sentences
from brief.errors import PipelineError
from brief.recipe import recipe_on
from brief.types import Composition, ImageRef, MadeBy, Publication, Rendition, Scorecard, Shot, Take
from storage.bucket import keys as object_keys
from storage.catalog.records import TakeRecord

_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
COMPOSITE = _SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"
WHOLLY_GENERATED = _SOURCE_TYPES + "trainedAlgorithmicMedia"
MANIFEST_VERSION = 3
_SHOT = TypeAdapter(Shot)


class ManifestDamaged(PipelineError, ValueError):
    """The manifest of a publication cannot be read; says which object and what to do."""


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One published file.

    Attributes:
        enlarged: factor by which its pixels were stretched beyond the master's, or 1.
        added: share of it that lies outside the master and was continued.
        quality: as it was encoded.
        wanted: the rendition as the campaign asked for it then; ``None`` for the master.
        problems: rules of its channel that it does not keep, which a person approved.
        notes: what else is to be known of it.
    """

    ref: ImageRef
    content_type: str
    width: int
    height: int
    size: int
    enlarged: float = 1.0
    added: float = 0.0
    quality: int | None = None
    wanted: Rendition | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """A rendition that was not made, since its channel's rules cannot be kept."""

    wanted: Rendition
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a picture, in its files and beside them.

    Attributes:
        composition: what is where in it, as it was recorded with the take.
        alt_text: what it shows, for those who do not see it, in ``language`` (BCP 47).
        at: when its files were made.
        steps: what refinement did to it, in words.
    """

    shot: Shot
    record: TakeRecord
    composition: Composition
    alt_text: str
    language: str
    at: datetime
    steps: tuple[str, ...] = ()

    @property
    def source_type(self) -> str:
        """IPTC's digital source type: a composite where pixels are kept that a camera took."""
        return COMPOSITE if self.composition.kept else WHOLLY_GENERATED

    @property
    def portrait(self) -> ImageRef | None:
        """Of the person who is shown."""
        if self.shot.persona is None or self.shot.portrait_key is None:
            return None
        return self.shot.persona.portrait or ImageRef(object_keys.portrait(self.shot.portrait_key), "")


def xmp_packet(told: Told) -> bytes:
    """The XMP to embed: source type, alt text, the shot's key as identifier, what made it and when."""
    made_by = told.record.made_by
    tool, system, number = "Lookbook", "", ""
    if made_by is not None:
        stand_in = " (stand-in with random weights)" if made_by.bundle.stand_in else ""
        tool += f", bundle {made_by.bundle.name}{stand_in}"
        system, number = made_by.bundle.name + stand_in, made_by.bundle.fingerprint
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about=""'
        ' xmlns:Iptc4xmpCore="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        ' xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
        f" Iptc4xmpExt:DigitalSourceType={quoteattr(told.source_type)}"
        f" Iptc4xmpExt:AISystemUsed={quoteattr(system)}"
        f" Iptc4xmpExt:AISystemVersionUsed={quoteattr(number)}"
        f" xmp:CreatorTool={quoteattr(tool)}"
        f" xmp:CreateDate={quoteattr(told.at.isoformat(timespec='seconds'))}"
        f" dc:identifier={quoteattr(told.shot.key)}"
        "><Iptc4xmpCore:AltTextAccessibility><rdf:Alt>"
        f"<rdf:li xml:lang={quoteattr('x-default')}>{escape(told.alt_text)}</rdf:li>"
        f"<rdf:li xml:lang={quoteattr(told.language)}>{escape(told.alt_text)}</rdf:li>"
        "</rdf:Alt></Iptc4xmpCore:AltTextAccessibility>"
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def manifest(
    told: Told,
    master: PublishedFile,
    renditions: Mapping[str, PublishedFile],
    refused: Mapping[str, Refused],
    signer: str,
) -> bytes:
    """The picture's whole history as JSON.

    ``bundle``, ``software``, ``device`` and the recipe's version and numbers are those of whoever made the picture, and
    ``null`` where that was not recorded; ``publisher`` is who wrote the files, ``signer`` who signed them, if anybody.
    """
    shot, record = told.shot, told.record
    take, made_by = record.take, record.made_by
    content = {
        "manifest_version": MANIFEST_VERSION,
        "published_at": told.at.isoformat(timespec="seconds"),
        "digital_source_type": told.source_type,
        "alt_text": {"text": told.alt_text, "language": told.language},
        "composition": asdict(told.composition),
        "shot": _SHOT.dump_python(shot, mode="json"),
        "portrait": object_keys.portrait(shot.portrait_key) if shot.portrait_key else None,
        "take": asdict(take),
        "scorecard": _judged(record.scorecard) if record.scorecard else None,
        "seconds": dict(record.seconds),
        "steps": list(told.steps),
        "recipe": {
            "name": shot.recipe,
            "version": made_by.recipe_version if made_by else None,
            "numbers": asdict(recipe_on(made_by.bundle.recipe, shot.recipe, take.changes)) if made_by else None,
        },
        **_maker(made_by),
        "refined": asdict(record.refined) if record.refined else None,
        "master": asdict(master),
        "signer": signer or None,
        **_files(renditions, refused),
        "publisher": {"lookbook": _lookbook_version(), "pillow": version("pillow")},
    }
    return _json(content)


def _maker(made_by: MadeBy | None) -> dict[str, Any]:
    if made_by is None:
        return {"bundle": None, "software": None, "device": None}
    return {"bundle": asdict(made_by.bundle), "software": dict(made_by.software), "device": made_by.device}


def with_renditions(
    content: Mapping[str, Any],
    told: Told,
    renditions: Mapping[str, PublishedFile],
    refused: Mapping[str, Refused],
    kept: Mapping[str, Any],
    signer: str,
) -> bytes:
    """The manifest ``content`` with other renditions: ``kept`` are entries of it that stay as they are."""
    files = _files(renditions, refused)
    files["renditions"] = {**kept, **files["renditions"]}
    alt_text = {"text": told.alt_text, "language": told.language}
    return _json({**content, **files, "alt_text": alt_text, "signer": signer or content.get("signer"),
                  "renditions_at": told.at.isoformat(timespec="seconds")})  # fmt: skip


def _files(renditions: Mapping[str, PublishedFile], refused: Mapping[str, Refused]) -> dict[str, Any]:
    return {
        "renditions": {name: asdict(each) for name, each in renditions.items()},
        "refused_renditions": {name: asdict(each) for name, each in refused.items()},
    }


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False).encode()


def _judged(card: Scorecard) -> dict[str, Any]:
    return {
        **asdict(card.measured),
        "verdict": card.verdict.value,
        "low": list(card.low),
        "findings": [asdict(each) for each in card.findings],
        "reasons": list(sentences(card)),
    }


def read_manifest(manifest_ref: ImageRef, data: bytes) -> tuple[Publication, Take]:
    """The publication that a manifest tells of, and the take that it was made from.

    Raises:
        ManifestDamaged: the bytes are not a manifest.
    """
    try:
        content = json.loads(data)
        take = Take(**content["take"])
        publication = Publication(
            shot_key=content["shot"]["key"],
            take_key=take.key,
            master=ImageRef(**content["master"]["ref"]),
            renditions={name: ImageRef(**each["ref"]) for name, each in content["renditions"].items()},
            manifest=manifest_ref,
            alt_text=content.get("alt_text", {}).get("text", ""),
        )
        return publication, take
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestDamaged(
            f"{manifest_ref.key!r} is not a manifest ({error!r}); delete it, then run the campaign with "
            "everything (reprocess=all): the shot is published again"
        ) from error


def _lookbook_version() -> str | None:
    """``None`` where Lookbook runs from its folder without being installed."""
    try:
        return version("lookbook")
    except PackageNotFoundError:
        return None
