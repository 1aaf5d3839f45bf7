"""Reading files into numbered rows, before anybody knows what they mean: JSON Lines here, CSV in :mod:`.tables`.

JSON Lines: one object per line with the field names of :mod:`brief.types`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brief.limits import shown
from storage.importing.decoding import MAX_LINE, UTF8, TextLines

SUFFIXES = (".jsonl", ".csv", ".tsv")


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a file as plain values; ``number`` is its (first) line in the file, from 1."""

    file: Path
    number: int
    values: dict[str, Any]

    @property
    def where(self) -> str:
        """File and line, for messages."""
        return f"{shown(self.file.name)}:{self.number}"


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was not loaded: where it is, which field is wrong, and what to do. Fit for a terminal."""

    where: str
    name: str
    field: str
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", shown(self.name))
        object.__setattr__(self, "field", shown(self.field))
        object.__setattr__(self, "reason", shown(self.reason, 600))


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person may want to know of a file or row that was read all the same."""

    where: str
    text: str


class _Twice(ValueError):
    """A JSON object has the same key twice."""


def json_lines(lines: TextLines) -> Iterator[Line | BadRow]:
    """The rows of a JSON Lines file; each line that is none is a :class:`BadRow`."""
    file = lines.file
    for number, line in lines:
        where = f"{shown(file.name)}:{number}"
        if line is None:
            yield BadRow(where, "", "", TOO_LONG)
            continue
        if not line.strip():
            continue
        if problem := undecodable(line):
            yield BadRow(where, "", "", problem)
            continue
        try:
            values = json.loads(line, object_pairs_hook=_once, parse_constant=_no_number)
        except RecursionError:
            yield BadRow(where, "", "", "is nested too deeply; write one flat object per line")
        except _Twice as error:
            yield BadRow(where, "", str(error), "is there twice in this object; keep one")
        except ValueError as error:
            yield BadRow(where, "", "", f"is not JSON ({error}); write one object per line")
        else:
            if isinstance(values, dict):
                yield Line(file, number, values)
            else:
                yield BadRow(where, "", "", "is JSON but not an object; write {...} on each line")


TOO_LONG = f"is longer than {MAX_LINE // 1024**2} million characters; shorten it"


def undecodable(text: str) -> str | None:
    """What is wrong with a line of which bytes could not be decoded."""
    if text.isascii():
        return None
    for place, letter in enumerate(text, 1):
        if "\udc80" <= letter <= "\udcff":
            return f"byte 0x{ord(letter) - 0xDC00:02X} at character {place} is not UTF-8; save the file as UTF-8"
    return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _Twice(next(key for key in keys if keys.count(key) > 1))
    return values


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def encoding_notice(lines: TextLines) -> Iterator[Notice]:
    """Says that a file was not in UTF-8."""
    if lines.encoding != UTF8:
        yield Notice(shown(lines.file.name), f"read as {lines.encoding}; save it as UTF-8 if letters look wrong")
