"""From a line of a file to a row of the catalog, or to the reason why not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from brief.face_spec import FaceSpec
from brief.images import ImageRefused, image_format, read_image
from brief.types import Campaign, Environment, ImageRef, Persona, Product
from storage.bucket import keys as object_keys
from storage.bucket.keys import EXTENSIONS, content_type
from storage.bucket.objects import Objects
from storage.importing.lines import BadRow, Line

T = TypeVar("T", Product, Environment, Persona, Campaign)
_LATER = {"key": "", "sha256": ""}
"""Stands for an image while the rest of its row is checked."""


class RowRefused(ValueError):
    """A row that cannot be loaded: the field and the reason."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


@dataclass(frozen=True, slots=True)
class GoodRow(Generic[T]):
    """A checked row, where it came from, and its image if it names one."""

    line: Line
    row: T
    image: FoundImage | None


def check_product(line: Line, known: Collection[str]) -> GoodRow[Product]:
    product = _typed(line, Product, image="packshot")
    _not_empty(product.sku, "sku")
    _not_empty(product.title, "title")
    image = _image(line, "packshot", object_keys.packshot, known)
    return GoodRow(line, replace(product, packshot=image.ref), image)


def check_environment(line: Line, known: Collection[str]) -> GoodRow[Environment]:
    environment = _typed(line, Environment, image="photo")
    _not_empty(environment.name, "name")
    _not_empty(environment.description, "description")
    image = _image(line, "photo", object_keys.photo, known)
    return GoodRow(line, replace(environment, photo=image.ref), image)


def check_persona(line: Line, known: Collection[str]) -> GoodRow[Persona]:
    face = line.values.get("face")
    if isinstance(face, dict):
        _no_unknown(face, FaceSpec, "face.")
    persona = _typed(line, Persona, image="portrait")
    _not_empty(persona.name, "name")
    if not 0 <= persona.seed < 2**32:
        raise RowRefused("seed", f"{persona.seed} is not a whole number from 0 to 4294967295")
    if not line.values.get("portrait"):
        return GoodRow(line, replace(persona, portrait=None), None)
    image = _image(line, "portrait", object_keys.brought_portrait, known)
    return GoodRow(line, replace(persona, portrait=image.ref), image)


def check_campaign_row(line: Line, _known: Collection[str]) -> GoodRow[Campaign]:
    campaign = _typed(line, Campaign)
    _not_empty(campaign.name, "name")
    return GoodRow(line, campaign, None)


def bad_row(line: Line, name: str, error: Exception) -> BadRow:
    """The report's entry for a row that was refused."""
    return BadRow(line.where, name, getattr(error, "field", ""), str(error))


def _typed(line: Line, kind: type[T], image: str | None = None) -> T:
    _no_unknown(line.values, kind)
    values = {**line.values, image: _LATER} if image else line.values
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        reason = str(first["msg"]).removeprefix("Value error, ")
        if first["type"] == "missing":
            reason = "is missing; every row must have it"
        raise RowRefused(field, reason) from error


def _no_unknown(values: Mapping[str, Any], kind: type, prefix: str = "") -> None:
    known = [field.name for field in fields(kind)]
    for name in values:
        if name not in known:
            raise RowRefused(f"{prefix}{name}", f"no such field; known are {', '.join(sorted(known))}")


def _not_empty(text: str, field: str) -> None:
    if not text.strip():
        raise RowRefused(field, "is empty")


def _image(line: Line, field: str, object_key: Callable[[str, str], str], known: Collection[str]) -> FoundImage:
    given = line.values.get(field)
    if not isinstance(given, str) or not given.strip():
        raise RowRefused(field, "names no image; give its path relative to this file")
    try:
        return find_image(line.file.parent / given, given, object_key, known)
    except ImageRefused as error:
        raise RowRefused(field, str(error)) from error


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
