"""Images that a catalog's rows name: found, checked, and put into the bucket under their content's digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from generation.brief import ImageRef
from generation.image_file import ImageRefused, image_format, read_image
from storage.object_keys import EXTENSIONS, content_type
from storage.objects import Objects

MAX_BYTES = 64 * 1024 * 1024
"""Largest image file, in bytes: it goes into the bucket in one piece."""


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image file that was checked, and where it belongs in the bucket."""

    file: Path
    ref: ImageRef


def find_image(file: Path, what: str, object_key: Callable[[str, str], str], known: Collection[str]) -> FoundImage:
    """Check an image file.

    Args:
        what: whose image it is, for messages.
        object_key: from SHA-256 and extension to the object's key.
        known: SHA-256 of images that an earlier import checked; they are not decoded again.

    Raises:
        ImageRefused: the file is missing, too large, or no usable image.
    """
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise ImageRefused(f"{what}: {size:,} bytes, at most {MAX_BYTES:,} are taken; deliver it smaller")
        data = file.read_bytes()
    except OSError as error:
        raise ImageRefused(
            f"{what}: cannot be read ({error.strerror}); correct the path, which is relative to the file that names it"
        ) from error
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 not in known:
        read_image(data, what)
    return FoundImage(file, ImageRef(object_key(sha256, EXTENSIONS[image_format(data)]), sha256))


def upload(image: FoundImage, objects: Objects) -> bool:
    """Put an image into the bucket; returns whether it was not there yet.

    Raises:
        ImageRefused: the file changed since it was checked.
    """
    there = objects.head(image.ref.key)
    if there and there.sha256 == image.ref.sha256:
        return False
    data = image.file.read_bytes()
    if hashlib.sha256(data).hexdigest() != image.ref.sha256:
        raise ImageRefused(f"{image.file}: changed while it was imported; run the import again")
    return not objects.put(image.ref.key, data, content_type(image.ref.key)).kept
