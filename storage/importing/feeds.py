"""Feeds that shops have already, read as products: Google Merchant (text and XML), Shopify's product CSV, and any other
table whose columns are named.

Each gives :class:`~storage.importing.lines.Line` objects with the fields of :class:`brief.types.Product`, and goes on
through the same importer as Lookbook's own files. XML (RSS 2.0 or Atom) is read item by item in bounded memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError, XMLParser

from brief.errors import StorageError
from brief.limits import shown
from storage.importing.lines import BadRow, Line, Notice, TextLines
from storage.importing.tables import table_rows

NEEDED = ("sku", "title", "packshot")
GOOGLE = {
    "id": "sku",
    "title": "title",
    "image_link": "packshot",
    "additional_image_link": "views",
    "product_type": "category",
    "color": "attributes.colour",
    "material": "attributes.material",
    "pattern": "attributes.pattern",
    "brand": "attributes.brand",
}
"""Attributes of Google's product data specification (support.google.com/merchants/answer/7052112) by our fields."""
SHOPIFY = ("handle", "title")
"""Columns without which a table is none of Shopify's."""
_OPTIONS = (1, 2, 3)
_NO_OPTION = "default title"
_IMAGE_COLUMNS = ("image src", "variant image")
_MOST_OF_A_HANDLE = 5000
"""Rows of one Shopify product that are held together; it has at most 2,048 variants."""


class FeedUnusable(StorageError, ValueError):
    """The columns that were named cannot be used; says which and what is possible."""


@dataclass(frozen=True, slots=True)
class Columns:
    """A table whose columns are named: from a column's name in small letters to the field that it fills.

    Columns that are not named are passed over.
    """

    fields: Mapping[str, str]

    @classmethod
    def from_options(cls, options: Sequence[str]) -> Columns:
        """From ``FIELD=COLUMN`` each, such as ``sku=Item No.`` or ``attributes.colour=Farbe``.

        Raises:
            FeedUnusable: not of that form, a field that products do not have, or one that is needed is not named.
        """
        known = (*NEEDED, "category", "views")
        fields = {}
        for option in options:
            field, equals, column = (part.strip() for part in option.partition("="))
            if not equals or not column:
                raise FeedUnusable(f"{shown(option)!r} names no column; write FIELD=COLUMN, such as sku=Number")
            if field not in known and not re.fullmatch(r"attributes\..+", field):
                raise FeedUnusable(f"{shown(field)!r} is no field; there are {', '.join(known)}, attributes.NAME")
            fields[column.lower()] = field
        for field in NEEDED:
            if field not in fields.values():
                raise FeedUnusable(f"no column is named for {field}; add {field}=COLUMN")
        return cls(fields)

    def problem(self, columns: Sequence[str]) -> str | None:
        named = {self._known(column) for column in columns}
        for column, field in self.fields.items():
            if field in NEEDED and column not in named:
                there = ", ".join(shown(each, 40) for each in columns[:40])
                return f"column {shown(column)!r}, which fills {field}, is not there; there are {there}"
        return None

    def values(self, filled: dict[str, str]) -> dict[str, Any]:
        return product_values((self.fields[name], text) for each, text in filled.items() if (name := self._known(each)))

    def _known(self, column: str) -> str:
        """The name under which a column is known: as it is, or as Google writes it (``g:image link``)."""
        plain = column.removeprefix("g:").replace(" ", "_")
        return column if column in self.fields else plain if plain in self.fields else ""


def product_values(pairs: Iterator[tuple[str, str]]) -> dict[str, Any]:
    """A product's fields from pairs of field and text; of a field that comes twice, lists grow and the rest stays."""
    values: dict[str, Any] = {"category": "", "attributes": {}, "views": []}
    for field, text in pairs:
        outer, _, inner = field.partition(".")
        if inner:
            values["attributes"].setdefault(inner, text)
        elif outer == "views":
            values["views"] += [part.strip() for part in re.split(r",(?=\s*(?:https?:|s3:))|\s+(?=https?:)", text)]
        elif outer == "category":
            values["category"] = values["category"] or text.rsplit(">", 1)[-1].strip()
        else:
            values.setdefault(outer, text)
    return values


class _AllColumns:
    """Every cell by its column's name."""

    def problem(self, columns: Sequence[str]) -> str | None:
        for column in SHOPIFY:
            if column not in columns:
                return f"column {column!r} is not there, so this is no product export of Shopify's"
        if not any(column in columns for column in _IMAGE_COLUMNS):
            return "neither 'image src' nor 'variant image' is there; export the products with their images"
        return None

    def values(self, filled: dict[str, str]) -> dict[str, Any]:
        return dict(filled)


def shopify_rows(lines: TextLines) -> Iterator[Line | BadRow | Notice]:
    """The products of Shopify's product CSV, in which rows of one handle follow each other: one product for each
    picture that its variants have. Variants that share a picture (sizes, mostly) are one product, under the first one's
    SKU, with the options that they share; drafts and archived products are passed over."""

    def handle(row: Line | BadRow | Notice) -> object:
        return row.values.get("handle") if isinstance(row, Line) else row

    for _, group in groupby(table_rows(lines, _AllColumns()), handle):
        rows: list[Line] = []
        for row in group:
            if not isinstance(row, Line):
                yield row
            elif len(rows) < _MOST_OF_A_HANDLE:
                rows.append(row)
        if rows:
            yield from _of_one_handle(rows)


def _of_one_handle(rows: Sequence[Line]) -> Iterator[Line | BadRow]:
    first = rows[0].values
    if first.get("status", "active").lower() != "active":
        return
    handle = first.get("handle")
    if handle is None:
        for row in rows:
            yield BadRow(row.where, "", "handle", "is missing; every row of Shopify's products has one")
        return
    images = list(dict.fromkeys(row.values["image src"] for row in rows if "image src" in row.values))
    by_picture: dict[str, list[Line]] = {}
    for row in rows:
        if row is rows[0] or "variant sku" in row.values or "option1 value" in row.values:
            picture = row.values.get("variant image") or next(iter(images), "")
            by_picture.setdefault(picture, []).append(row)
    names = {number: first.get(f"option{number} name", "option") for number in _OPTIONS}
    for picture, variants in by_picture.items():
        options = _shared_options(variants)
        parts = [handle, *options.values()] if len(by_picture) > 1 else [handle]
        sku = variants[0].values.get("variant sku") or "-".join(parts)
        values = {
            "sku": sku,
            "title": " ".join([first.get("title", ""), *options.values()]),
            "category": (first.get("type") or first.get("product category", "")).rsplit(">", 1)[-1].strip(),
            "attributes": {names[number].lower(): value for number, value in options.items()},
            "packshot": picture,
            "views": [image for image in images if image != picture and image not in by_picture],
        }
        yield Line(variants[0].file, variants[0].number, values)


def _shared_options(variants: Sequence[Line]) -> dict[int, str]:
    """By number, the options that have one and the same value in all variants."""
    found = {}
    for number in _OPTIONS:
        values = {row.values.get(f"option{number} value", "") for row in variants}
        value = next(iter(values))
        if len(values) == 1 and value and value.lower() != _NO_OPTION:
            found[number] = value
    return found


ITEMS = ("item", "entry")
MAX_ITEM = 1024 * 1024
"""Longest text of an item, in characters."""
_CHUNK = 64 * 1024
_GOOGLE = "{http://base.google.com"
_ATOM_ID = "{http://www.w3.org/2005/Atom}id"
"""Of an entry in Atom's own namespace: an address of the entry, not the product's number."""


class _DoctypeFound(ValueError):
    """Entities could be declared in it, of which a few make gigabytes."""


class _Items:
    """What the parser tells of, as items: pairs of field and text."""

    def __init__(self) -> None:
        self.done: list[list[tuple[str, str]] | None] = []
        """Items that have ended; ``None`` is one that was too long."""
        self._item: list[tuple[str, str]] | None = None
        self._depth = 0
        self._size = 0
        self._text: list[str] = []

    def doctype(self, *_: object) -> None:
        raise _DoctypeFound

    def start(self, tag: str, _attributes: object) -> None:
        if self._item is not None:
            self._depth += 1
            self._text = []
        elif _local(tag) in ITEMS:
            self._item, self._depth, self._size = [], 0, 0

    def data(self, text: str) -> None:
        if self._item is not None:
            self._size += len(text)
            if self._size <= MAX_ITEM:
                self._text.append(text)

    def end(self, tag: str) -> None:
        if self._item is None:
            return
        if self._depth == 0:
            self.done.append(self._item if self._size <= MAX_ITEM else None)
            self._item = None
            return
        text = "".join(self._text).strip()
        self._text = []
        self._depth -= 1
        if self._depth == 0 and text and tag != _ATOM_ID and (field := GOOGLE.get(_local(tag))):
            # Google's own elements count for more than RSS' of the same name.
            place = 0 if tag.startswith(_GOOGLE) and field != "views" else len(self._item)
            self._item.insert(place, (field, text))

    def close(self) -> None:
        """The document has ended."""


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


class XmlFeed:
    """The products of an XML feed; ``share`` is how much of the file has been read, 0 to 1."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.share = 0.0

    def __iter__(self) -> Iterator[Line | BadRow | Notice]:
        items, number, where = _Items(), 1, shown(self.file.name)
        parser = XMLParser(target=items)  # noqa: S314 - a DOCTYPE is refused, so there are no entities
        size, any_item = max(1, self.file.stat().st_size), False
        with self.file.open("rb") as data:
            try:
                while chunk := data.readline(_CHUNK):
                    parser.feed(chunk)
                    done, items.done = items.done, []
                    for item in done:
                        any_item = True
                        yield self._row(item, number)
                    number += chunk.endswith(b"\n")
                    self.share = min(1.0, data.tell() / size)
                parser.close()
            except _DoctypeFound:
                yield BadRow(f"{where}:{number}", "", "", "has a DOCTYPE; take it out. No row was read")
                return
            except ParseError as error:
                yield BadRow(f"{where}:{number}", "", "", f"is not XML ({error}); the rest of the file was not read")
                return
        self.share = 1.0
        if not any_item:
            yield Notice(where, "holds no <item> and no <entry>")

    def _row(self, item: list[tuple[str, str]] | None, number: int) -> Line | BadRow:
        if item is None:
            where = f"{shown(self.file.name)}:{number}"
            return BadRow(where, "", "", f"is an item of more than {MAX_ITEM:,} characters; shorten it")
        return Line(self.file, number, product_values(iter(item)))
