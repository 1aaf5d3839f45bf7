"""What tells a published picture's origin: a mark in every file, and the manifest beside them.

The mark is XMP's ``Iptc4xmpExt:DigitalSourceType`` with IPTC's term for pictures made by a model
(https://cv.iptc.org/newscodes/digitalsourcetype/), which platforms read to label synthetic media.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from xml.sax.saxutils import quoteattr

from pydantic import TypeAdapter

from brief.dimensions import sentences
from brief.recipe import recipe_on
from brief.types import ImageRef, MadeBy, Publication, Scorecard, Shot, Take
from storage.bucket import keys as object_keys
from storage.catalog.records import TakeRecord

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
MANIFEST_VERSION = 2
_SHOT = TypeAdapter(Shot)


class ManifestDamaged(ValueError):
    """The manifest of a publication cannot be read; says which object and what to do."""


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One published file; ``enlarged`` is the factor by which its pixels were stretched beyond the master's, or 1."""

    ref: ImageRef
    content_type: str
    width: int
    height: int
    size: int
    enlarged: float = 1.0


def xmp_packet(shot: Shot, made_by: MadeBy | None) -> bytes:
    """The XMP to embed: source type, the shot's key as identifier, and what made it."""
    tool = "Lookbook"
    if made_by is not None:
        stand_in = " (stand-in with random weights)" if made_by.bundle.stand_in else ""
        tool += f", bundle {made_by.bundle.name}{stand_in}"
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about=""'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        ' xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
        f" Iptc4xmpExt:DigitalSourceType={quoteattr(DIGITAL_SOURCE_TYPE)}"
        f" xmp:CreatorTool={quoteattr(tool)}"
        f" dc:identifier={quoteattr(shot.key)}"
        '/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def manifest(shot: Shot, record: TakeRecord, master: PublishedFile, renditions: Mapping[str, PublishedFile]) -> bytes:
    """The picture's whole history as JSON: equal inputs give equal bytes.

    ``bundle``, ``software``, ``device`` and the recipe's version and numbers are those of whoever made the picture, and
    ``null`` where that was not recorded; ``publisher`` is who wrote the files.
    """
    take, made_by = record.take, record.made_by
    content = {
        "manifest_version": MANIFEST_VERSION,
        "digital_source_type": DIGITAL_SOURCE_TYPE,
        "shot": _SHOT.dump_python(shot, mode="json"),
        "portrait": object_keys.portrait(shot.portrait_key) if shot.portrait_key else None,
        "take": asdict(take),
        "scorecard": _judged(record.scorecard) if record.scorecard else None,
        "seconds": dict(record.seconds),
        "recipe": {
            "name": shot.recipe,
            "version": made_by.recipe_version if made_by else None,
            "numbers": asdict(recipe_on(made_by.bundle.recipe, shot.recipe, take.changes)) if made_by else None,
        },
        "bundle": asdict(made_by.bundle) if made_by else None,
        "software": dict(made_by.software) if made_by else None,
        "device": made_by.device if made_by else None,
        "refined": asdict(record.refined) if record.refined else None,
        "master": asdict(master),
        "renditions": {name: asdict(each) for name, each in renditions.items()},
        "publisher": {"lookbook": _lookbook_version(), "pillow": version("pillow")},
    }
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
        )
        return publication, take
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestDamaged(
            f"{manifest_ref.key!r} is not a manifest ({error!r}); delete it, then run the campaign with "
            "everything (reprocess=all): the shot is published anew"
        ) from error


def _lookbook_version() -> str | None:
    """``None`` where Lookbook runs from its folder without being installed."""
    try:
        return version("lookbook")
    except PackageNotFoundError:
        return None
