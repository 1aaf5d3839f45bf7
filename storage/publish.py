"""Publish a shot: master, renditions and manifest into the bucket, then its row into the catalog.

The manifest is the last object and the row comes after it. So where a manifest is, its pictures are; where a row is,
all is; and a crash anywhere leaves only objects that nobody refers to, which the next attempt takes over.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from generation.brief import Asset, ImageRef, Rendition, Shot, Take
from generation.image_file import read_image
from storage import object_keys
from storage.catalog import Catalog
from storage.objects import Objects
from storage.provenance import BundleLabel, PublishedFile, manifest, read_manifest, xmp_packet
from storage.records import TakeRecord

PNG_EFFORT = 3
"""Of zlib: a tenth of the time of the highest for a few per cent of size."""
XMP_IN_PNG = "XML:com.adobe.xmp"


class NothingToPublish(ValueError):
    """A take that was never refined or scored."""


def publish(
    shot: Shot,
    record: TakeRecord,
    renditions: Sequence[Rendition],
    bundle: BundleLabel,
    *,
    objects: Objects,
    catalog: Catalog,
    run_id: str,
) -> Asset:
    """Publish one take of a shot. What was published for the shot before stays and is returned, whichever the take.

    Args:
        record: the take with its refined picture and its scorecard, as the catalog has it.
        renditions: sizes of the shot's campaign.

    Raises:
        NothingToPublish: the take lacks its refined picture or its scorecard.
        ObjectError: something about the bucket; nothing was recorded in the catalog.
        CatalogError: something about the catalog; the objects are there and another attempt finds them.
    """
    before = _published_before(shot, objects)
    asset, take = before or _write(shot, record, renditions, bundle, objects)
    catalog.record_asset(asset, run_id, take)
    return asset


def _published_before(shot: Shot, objects: Objects) -> tuple[Asset, Take] | None:
    key = object_keys.manifest(shot)
    there = objects.head(key)
    if there is None:
        return None
    ref = ImageRef(key, there.sha256 or objects.sha256(key))
    return read_manifest(ref, objects.get(key, ref.sha256))


def _write(
    shot: Shot, record: TakeRecord, renditions: Sequence[Rendition], bundle: BundleLabel, objects: Objects
) -> tuple[Asset, Take]:
    if record.refined is None or record.scorecard is None:
        lacks = "refined" if record.refined is None else "scored"
        raise NothingToPublish(f"take {record.take.number} of shot {shot.key} was not {lacks}; run that stage first")
    data = objects.get(record.refined.key, record.refined.sha256)
    picture = read_image(data, f"refined take {record.take.number} of shot {shot.key}").convert("RGB")
    mark = xmp_packet(shot, bundle)
    master = _put(objects, object_keys.master(shot), encode_master(picture, mark), picture.size)
    files = {}
    for each in renditions:
        key = object_keys.rendition(shot, each.name, each.format)
        file = _put(objects, key, encode_rendition(picture, each, mark), (each.width, each.height))
        files[each.name] = replace(file, enlarged=round(_enlarged(picture.size, each), 3))
    key = object_keys.manifest(shot)
    content = manifest(shot, record, bundle, master, files)
    stored = objects.put(key, content, object_keys.content_type(key), keep_first=True)
    # Another run may have been first; then its manifest counts, whose timings differ from ours.
    return read_manifest(stored.ref, objects.get(key, stored.sha256) if stored.kept else content)


def encode_master(picture: Image.Image, mark: bytes) -> bytes:
    """Lossless PNG with the XMP packet ``mark``. Pillow has no ``xmp=`` for PNG, so it goes in as iTXt."""
    info = PngInfo()
    info.add_itxt(XMP_IN_PNG, mark.decode())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=info, compress_level=PNG_EFFORT)
    return buffer.getvalue()


def encode_rendition(picture: Image.Image, wanted: Rendition, mark: bytes) -> bytes:
    """WebP or JPEG of exactly the asked size: scaled to cover it, the longer side cropped about the middle."""
    fitted = ImageOps.fit(picture, (wanted.width, wanted.height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if wanted.format == "jpeg":
        fitted.save(buffer, "JPEG", quality=wanted.quality, optimize=True, progressive=True, xmp=mark)
    else:
        fitted.save(buffer, "WEBP", quality=wanted.quality, method=4, xmp=mark)
    return buffer.getvalue()


def _put(objects: Objects, key: str, data: bytes, size: tuple[int, int]) -> PublishedFile:
    content_type = object_keys.content_type(key)
    stored = objects.put(key, data, content_type)
    return PublishedFile(stored.ref, content_type, *size, size=len(data))


def _enlarged(master: tuple[int, int], wanted: Rendition) -> float:
    return max(1.0, wanted.width / master[0], wanted.height / master[1])
