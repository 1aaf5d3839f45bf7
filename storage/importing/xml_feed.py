"""Google Merchant's XML feed (RSS 2.0 or Atom), read item by item in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import ParseError, XMLParser

from brief.limits import shown
from storage.importing.feeds import GOOGLE, product_values
from storage.importing.lines import BadRow, Line, Notice

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
