"""The pictures that rows name: found, checked, and put into the bucket under their digest."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cachetools import LRUCache

from brief.images import ImageRefused, image_format, read_image
from brief.limits import shown, unusable_character
from brief.types import ImageRef
from storage.bucket.keys import EXTENSIONS, content_type
from storage.bucket.objects import Objects

MAX_BYTES = 64 * 1024 * 1024
"""Largest image file, in bytes: it goes into the bucket in one piece."""
REMEMBERED = 50_000
"""Pictures that need no second look within one import, since many rows may share one."""
UPLOADS = 8
"""Uploads at the same time."""

ObjectKey = Callable[[str, str], str]
"""From SHA-256 and extension to the object's key."""


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image file that was checked, and where it belongs in the bucket."""

    file: Path
    ref: ImageRef


class Pictures:
    """Finds, checks and uploads the pictures of one import.

    Args:
        folder: of the catalog; paths are relative to it.
        outside: take files outside the folder too, to which an absolute path, ``..`` or a link may lead.
    """

    def __init__(self, folder: Path, objects: Objects, *, outside: bool = False) -> None:
        self._folder = folder
        self._root = Path(os.path.realpath(folder))
        self._objects = objects
        self._outside = outside
        self._found: LRUCache[tuple[object, ...], FoundImage] = LRUCache(REMEMBERED)
        self._stored: LRUCache[str, bool] = LRUCache(REMEMBERED)

    def find(self, given: str, object_key: ObjectKey, known: str | None) -> FoundImage:
        """Check the image at path ``given``.

        Args:
            known: SHA-256 that an earlier import checked for the same row; then it is not decoded again.

        Raises:
            ImageRefused: the file is missing, no plain file, outside the folder, too large, or no usable image.
        """
        file, status = self._locate(given)
        remembered = (file, status.st_mtime_ns, status.st_size, object_key)
        if remembered not in self._found:
            self._found[remembered] = _checked(file, shown(given), object_key, known)
        return self._found[remembered]

    def _locate(self, given: str) -> tuple[Path, os.stat_result]:
        if problem := unusable_character(given):
            raise ImageRefused(f"{shown(given)}: {problem}")
        try:
            file = Path(os.path.realpath(self._folder / given))
            if not self._outside and not file.is_relative_to(self._root):
                raise ImageRefused(
                    f"{shown(given)}: lies outside the catalog's folder; copy it there, or allow it with --outside"
                )
            status = file.stat()
        except (OSError, ValueError) as error:
            raise _unreadable(given, error) from error
        if not stat.S_ISREG(status.st_mode):
            raise ImageRefused(f"{shown(given)}: is no file but a folder, device or pipe; name an image file")
        if status.st_size > MAX_BYTES:
            raise ImageRefused(_too_large(shown(given), status.st_size))
        return file, status

    def upload(self, images: list[FoundImage]) -> list[ImageRefused | None]:
        """Put images into the bucket that are not there yet; per image what went wrong with its file.

        Raises:
            ObjectError: the bucket does not work.
        """
        fresh = {image.ref.key: image for image in images if image.ref.key not in self._stored}
        with ThreadPoolExecutor(UPLOADS) as pool:
            outcomes = dict(zip(fresh, pool.map(self._upload, fresh.values()), strict=True))
        for key in fresh:
            if outcomes[key] is None:
                self._stored[key] = True
        return [outcomes.get(image.ref.key) for image in images]

    def _upload(self, image: FoundImage) -> ImageRefused | None:
        there = self._objects.head(image.ref.key)
        if there and there.sha256 == image.ref.sha256:
            return None
        try:
            data = _read(image.file, image.file.name)
        except ImageRefused as error:
            return error
        if hashlib.sha256(data).hexdigest() != image.ref.sha256:
            return ImageRefused(f"{shown(image.file.name)}: changed while it was imported; run the import again")
        self._objects.put(image.ref.key, data, content_type(image.ref.key))
        return None


def _checked(file: Path, what: str, object_key: ObjectKey, known: str | None) -> FoundImage:
    data = _read(file, what)
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != known:
        read_image(data, what)
    return FoundImage(file, ImageRef(object_key(sha256, EXTENSIONS[image_format(data)]), sha256))


def _read(file: Path, what: str) -> bytes:
    """The bytes of a plain file, never more than :data:`MAX_BYTES` and never waiting for a writer.

    Raises:
        ImageRefused: it cannot be read, is no plain file any more, or has grown too large.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as source:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ImageRefused(f"{what}: is no file but a device or pipe; name an image file")
            data = source.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(what, error) from error
    if len(data) > MAX_BYTES:
        raise ImageRefused(_too_large(what, len(data)))
    return data


def _unreadable(given: str, error: Exception) -> ImageRefused:
    said = getattr(error, "strerror", None) or str(error)
    return ImageRefused(
        f"{shown(given)}: cannot be read ({said}); correct the path, which is relative to the file that names it"
    )


def _too_large(what: str, size: int) -> str:
    return f"{what}: {size:,} bytes, at most {MAX_BYTES:,} are taken; deliver it smaller"
