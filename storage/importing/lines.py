"""Reading files into numbered rows, before anybody knows what they mean: lines of text, whatever program saved them, in
bounded memory; JSON Lines here, CSV in :mod:`.tables`.

JSON Lines: one object per line with the field names of :mod:`brief.types`.
"""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from brief.errors import StorageError
from brief.limits import shown

MAX_LINE = 4 * 1024 * 1024
"""Longest line in characters: a campaign that names 200,000 products fits."""
_CHUNK = 1024 * 1024
UTF8, UTF16, WINDOWS = "utf-8-sig", "utf-16", "cp1252"


def encoding_of(file: Path) -> str:
    """The encoding of a text file by its marks and bytes: UTF-8, UTF-16, else Windows' Western one (cp1252).

    A file with both good and broken UTF-8 is UTF-8: its broken lines are then refused one by one.

    Raises:
        OSError: the file cannot be read.
    """
    with file.open("rb") as data:
        start = data.read(4096)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return UTF16
        # Western text in UTF-16 has a zero in every other byte.
        for name, zeros in (("utf-16-le", start[1::2]), ("utf-16-be", start[0::2])):
            if zeros and zeros.count(0) > 0.4 * len(zeros) and start.count(0) < 0.6 * len(start):
                return name
        data.seek(0)
        if _is_utf8(data):
            return UTF8
        data.seek(0)
        return UTF8 if _has_utf8_letters(data) else WINDOWS


def _is_utf8(data: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := data.read(_CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _has_utf8_letters(data: BinaryIO) -> bool:
    while line := data.readline(_CHUNK):
        if not line.isascii():
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                continue
            return True
    return False


class LineTooLong(StorageError, ValueError):
    """A line over :data:`MAX_LINE` was passed over."""


class TextLines:
    """The lines of a file with their numbers from 1, as ``(number, text)``; the text ends as it does in the file.

    A line over :data:`MAX_LINE` comes as ``None``. Bytes that are not UTF-8 come as lone surrogates (of other
    encodings, as U+FFFD), so that only their row is refused.

    Attributes:
        share: how much of the file has been read, 0 to 1.
    """

    def __init__(self, file: Path, encoding: str) -> None:
        self.file = file
        self.encoding = encoding
        self.share = 0.0

    def __iter__(self) -> Iterator[tuple[int, str | None]]:
        errors = "surrogateescape" if self.encoding == UTF8 else "replace"
        size = max(1, self.file.stat().st_size)
        with self.file.open("rb") as data:
            text = io.TextIOWrapper(data, encoding=self.encoding, errors=errors, newline="")
            number = 0
            while line := text.readline(MAX_LINE):
                number += 1
                if number % 256 == 0:
                    self.share = min(1.0, data.tell() / size)
                if len(line) == MAX_LINE and not line.endswith(("\n", "\r")):
                    while (rest := text.readline(MAX_LINE)) and not rest.endswith(("\n", "\r")):
                        continue
                    yield number, None
                else:
                    yield number, line
        self.share = 1.0


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
