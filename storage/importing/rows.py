"""From a line of a file to a row of the catalog, or to the reason why not."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from brief import channels
from brief.errors import StorageError
from brief.face_spec import FaceSpec
from brief.images import ImageRefused
from brief.limits import explained, shown, unusable_character
from brief.types import Campaign, Environment, ImageRef, Persona, Product
from storage.bucket import keys as object_keys
from storage.importing.lines import BadRow, Line
from storage.importing.pictures import FoundImage, KnownImage, ObjectKey, Pictures
from storage.importing.tables import fields_of

Row = Product | Environment | Persona | Campaign
T = TypeVar("T", Product, Environment, Persona, Campaign)
DEEPEST = 6
"""Objects within objects that a row may have; a campaign's renditions need three."""
MOST_VIEWS = 20
"""Further pictures of a product."""
_LATER = ImageRef("", "")
"""Stands for an image while the rest of its row is checked."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """What a file of a catalog holds.

    Attributes:
        key: the field by which rows are told apart.
        image: the field that names an image, and how its key in the bucket is made.
        views: the field that names further images, which a row may do without.
    """

    type: type[T]
    key: str
    image: str | None = None
    object_key: ObjectKey | None = None
    image_needed: bool = True
    views: str | None = None


KINDS: dict[str, Kind[Any]] = {
    "products": Kind(Product, "sku", "packshot", object_keys.packshot, views="views"),
    "environments": Kind(Environment, "name", "photo", object_keys.photo),
    "personas": Kind(Persona, "name", "portrait", object_keys.brought_portrait, image_needed=False),
    "campaigns": Kind(Campaign, "name", "style", object_keys.photo, image_needed=False),
}
"""By the name of their file, in the order in which they refer to each other."""
_ADAPTERS = {kind.type: TypeAdapter(kind.type) for kind in KINDS.values()}


class RowRefused(StorageError, ValueError):
    """A row that cannot be loaded: the field and the reason."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


@dataclass(frozen=True, slots=True)
class GoodRow(Generic[T]):
    """A checked row, where it came from, its image and further views if it names some, and what was said of them."""

    line: Line
    row: T
    image: FoundImage | None
    views: tuple[FoundImage, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.row.sku if isinstance(self.row, Product) else self.row.name


def tidied(line: Line, kind: Kind[Any]) -> Line:
    """The line with its text in Unicode's normal form, without spaces around it.

    Raises:
        RowRefused: text that nobody can read or store, too many objects within objects, a field that the kind does
            not have.
    """
    known = fields_of(kind.type)
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


def named_images(line: Line, kind: Kind[Any]) -> list[str]:
    """The images that a line names, as far as they can be."""
    named = [line.values.get(kind.image or ""), *_listed(line.values.get(kind.views or ""))]
    return [each for each in named if isinstance(each, str)]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def check_row(line: Line, kind: Kind[T], pictures: Pictures, known: KnownImage | None) -> GoodRow[T]:
    """Check a tidied line against its type and its limits, and its images.

    Args:
        known: what the catalog has of this row's image.

    Raises:
        RowRefused: something is wrong with it. A further view that cannot be used is only noted.
    """
    values = {**line.values, kind.image: _LATER} if kind.image else line.values
    values = {name: value for name, value in values.items() if name != kind.views}
    if kind.type is Campaign and isinstance(values.get("renditions"), list):
        values["renditions"] = _expanded(values["renditions"])
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
        image = pictures.find(given, kind.object_key, known, judge=isinstance(row, Product))
    except ImageRefused as error:
        raise RowRefused(kind.image, str(error)) from error
    if not isinstance(row, Product):
        return GoodRow(line, replace(row, **{kind.image: image.ref}), image)  # type: ignore[arg-type]
    views, notes = _further_views(line, kind.views or "", pictures)
    if image.found.doubts:
        notes.append(f"its packshot waits for approval: {'; '.join(image.found.doubts)}")
    notes += [f"look at how its packshot is cut out: {remark}" for remark in image.found.remarks]
    row = replace(row, packshot=image.ref, doubts=image.found.doubts, views=tuple(view.ref for view in views))
    return GoodRow(line, row, image, tuple(views), tuple(notes))


def _expanded(renditions: list[Any]) -> list[Any]:
    try:
        return [channels.expanded(each) for each in renditions]
    except channels.PresetUnknown as error:
        raise RowRefused("renditions", str(error)) from error


def _further_views(line: Line, field: str, pictures: Pictures) -> tuple[list[FoundImage], list[str]]:
    """The further views that a line names, and what is wrong with the others."""
    given = line.values.get(field) or []
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise RowRefused(field, "is no list of images; give a list of paths or URLs, or leave it out")
    found: list[FoundImage] = []
    notes = [f"{len(given)} views, of which {MOST_VIEWS} are kept"] if len(given) > MOST_VIEWS else []
    for each in given[:MOST_VIEWS]:
        try:
            found.append(pictures.find(each, object_keys.packshot, None))
        except ImageRefused as error:
            notes.append(f"a further view is left out: {error}")
    return found, notes


def bad_row(line: Line, name: str, error: Exception) -> BadRow:
    """The report's entry for a row that was refused."""
    return BadRow(line.where, name, getattr(error, "field", ""), str(error))
