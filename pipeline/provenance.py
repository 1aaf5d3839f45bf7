"""What tells a published picture's origin: a mark in every file, and the manifest beside them.

The mark is XMP's ``Iptc4xmpExt:DigitalSourceType`` with IPTC's term for pictures made by a model
(https://cv.iptc.org/newscodes/digitalsourcetype/), which platforms read to label synthetic media.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from xml.sax.saxutils import quoteattr

from pydantic import TypeAdapter

from brief.recipe import RECIPE_VERSION, recipe_on
from brief.types import Asset, ImageRef, Shot, Take
from storage.bucket import keys as object_keys
from storage.catalog.records import TakeRecord

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
MANIFEST_VERSION = 1
_NAMED = ("lookbook", "pillow", "torch", "diffusers", "transformers")
_SHOT = TypeAdapter(Shot)


class ManifestDamaged(ValueError):
    """The manifest of a publication cannot be read; says which object and what to do."""


@dataclass(frozen=True, slots=True)
class BundleLabel:
    """The bundle that made a picture, as the generation service names it. ``stand_in`` means random weights;
    ``recipe`` holds the numbers by which the bundle departs from the named preset."""

    name: str
    fingerprint: str
    licence: str
    commercial: bool
    stand_in: bool
    recipe: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One published file; ``enlarged`` is the factor by which its pixels were stretched beyond the master's, or 1."""

    ref: ImageRef
    content_type: str
    width: int
    height: int
    size: int
    enlarged: float = 1.0


def xmp_packet(shot: Shot, bundle: BundleLabel) -> bytes:
    """The XMP to embed: source type, the shot's key as identifier, and what made it."""
    made_by = f"Lookbook, bundle {bundle.name}" + (" (stand-in with random weights)" if bundle.stand_in else "")
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about=""'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        ' xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
        f" Iptc4xmpExt:DigitalSourceType={quoteattr(DIGITAL_SOURCE_TYPE)}"
        f" xmp:CreatorTool={quoteattr(made_by)}"
        f" dc:identifier={quoteattr(shot.key)}"
        '/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def manifest(
    shot: Shot,
    record: TakeRecord,
    bundle: BundleLabel,
    master: PublishedFile,
    renditions: Mapping[str, PublishedFile],
) -> bytes:
    """The picture's whole history as JSON: equal inputs give equal bytes."""
    take = record.take
    content = {
        "manifest_version": MANIFEST_VERSION,
        "digital_source_type": DIGITAL_SOURCE_TYPE,
        "shot": _SHOT.dump_python(shot, mode="json"),
        "portrait": object_keys.portrait(shot.portrait_key) if shot.portrait_key else None,
        "take": asdict(take),
        "scorecard": asdict(record.scorecard) if record.scorecard else None,
        "seconds": dict(record.seconds),
        "recipe": {
            "name": shot.recipe,
            "version": RECIPE_VERSION,
            "numbers": asdict(recipe_on(bundle.recipe, shot.recipe, take.changes)),
        },
        "bundle": asdict(bundle),
        "refined": asdict(record.refined) if record.refined else None,
        "master": asdict(master),
        "renditions": {name: asdict(each) for name, each in renditions.items()},
        "software": _software(),
    }
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False).encode()


def read_manifest(manifest_ref: ImageRef, data: bytes) -> tuple[Asset, Take]:
    """The asset that a manifest tells of, and the take that it was made from.

    Raises:
        ManifestDamaged: the bytes are not a manifest.
    """
    try:
        content = json.loads(data)
        take = Take(**content["take"])
        asset = Asset(
            shot_key=content["shot"]["key"],
            take_key=take.key,
            master=ImageRef(**content["master"]["ref"]),
            renditions={name: ImageRef(**each["ref"]) for name, each in content["renditions"].items()},
            manifest=manifest_ref,
        )
        return asset, take
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestDamaged(
            f"{manifest_ref.key!r} is not a manifest ({error!r}); delete it, then run the campaign with "
            "everything (reprocess=all): the shot is published anew"
        ) from error


def _software() -> dict[str, Any]:
    """Versions on the machine that publishes."""
    found = {"python": platform.python_version()}
    for name in _NAMED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
