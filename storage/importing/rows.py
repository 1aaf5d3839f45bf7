"""From a line of a file to a row of the catalog, or to the reason why not."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from brief.face_spec import FaceSpec
from brief.images import ImageRefused
from brief.limits import explained, shown, unusable_character
from brief.types import Campaign, Environment, ImageRef, Persona, Product
from storage.bucket import keys as object_keys
from storage.importing.lines import BadRow, Line
from storage.importing.pictures import FoundImage, ObjectKey, Pictures

Row = Product | Environment | Persona | Campaign
T = TypeVar("T", Product, Environment, Persona, Campaign)
DEEPEST = 6
"""Objects within objects that a row may have; a campaign's renditions need three."""
_LATER = ImageRef("", "")
"""Stands for an image while the rest of its row is checked."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """What a file of a catalog holds.

    Attributes:
        key: the field by which rows are told apart.
        image: the field that names an image, and how its key in the bucket is made.
    """

    type: type[T]
    key: str
    image: str | None = None
    object_key: ObjectKey | None = None
    image_needed: bool = True


KINDS: dict[str, Kind[Any]] = {
    "products": Kind(Product, "sku", "packshot", object_keys.packshot),
    "environments": Kind(Environment, "name", "photo", object_keys.photo),
    "personas": Kind(Persona, "name", "portrait", object_keys.brought_portrait, image_needed=False),
    "campaigns": Kind(Campaign, "name"),
}
"""By the name of their file, in the order in which they refer to each other."""
_ADAPTERS = {kind.type: TypeAdapter(kind.type) for kind in KINDS.values()}


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

    @property
    def name(self) -> str:
        return self.row.sku if isinstance(self.row, Product) else self.row.name


def tidied(line: Line, kind: Kind[Any]) -> Line:
    """The line with its text in Unicode's normal form, without spaces around it.

    Raises:
        RowRefused: text that nobody can read or store, too many objects within objects, a field that the kind does
            not have.
    """
    known = [field.name for field in fields(kind.type)]
    for name in line.values:
        if name not in known:
            raise RowRefused(shown(name), f"no such field; known are {', '.join(sorted(known))}")
    face = line.values.get("face")
    if kind.type is Persona and isinstance(face, dict):
        features = [field.name for field in fields(FaceSpec)]
        for name in face:
            if name not in features:
                raise RowRefused(f"face.{shown(name)}", f"no such field; known are {', '.join(sorted(features))}")
    return replace(line, values={name: _tidy(value, name, DEEPEST) for name, value in line.values.items()})


def _tidy(value: Any, field: str, deeper: int) -> Any:
    if isinstance(value, str):
        text = unicodedata.normalize("NFC", value).strip()
        if problem := unusable_character(text):
            raise RowRefused(field, problem)
        return text
    if isinstance(value, Mapping | list) and not deeper:
        raise RowRefused(field, f"holds more than {DEEPEST} lists or objects within each other; write it flat")
    if isinstance(value, Mapping):
        return {
            _tidy(name, field, 0): _tidy(inner, f"{field}.{shown(name, 40)}", deeper - 1)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_tidy(inner, field, deeper - 1) for inner in value]
    return value


def check_row(line: Line, kind: Kind[T], pictures: Pictures, known: str | None) -> GoodRow[T]:
    """Check a tidied line against its type and its limits, and its image.

    Args:
        known: SHA-256 of the image that the catalog has for this row.

    Raises:
        RowRefused: something is wrong with it.
    """
    values = {**line.values, kind.image: _LATER} if kind.image else line.values
    try:
        row: T = _ADAPTERS[kind.type].validate_python(values)
    except ValidationError as error:
        raise RowRefused(*explained(error)) from error
    if kind.image is None or kind.object_key is None:
        return GoodRow(line, row, None)
    given = line.values.get(kind.image)
    if not given and not kind.image_needed:
        return GoodRow(line, replace(row, **{kind.image: None}), None)  # type: ignore[arg-type]
    if not isinstance(given, str) or not given:
        raise RowRefused(kind.image, "names no image; give its path relative to this file")
    try:
        image = pictures.find(given, kind.object_key, known)
    except ImageRefused as error:
        raise RowRefused(kind.image, str(error)) from error
    return GoodRow(line, replace(row, **{kind.image: image.ref}), image)  # type: ignore[arg-type]


def bad_row(line: Line, name: str, error: Exception) -> BadRow:
    """The report's entry for a row that was refused."""
    return BadRow(line.where, name, getattr(error, "field", ""), str(error))
