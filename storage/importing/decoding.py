"""From the bytes of a file to its lines of text, whatever program saved it, in bounded memory."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from brief.errors import StorageError

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
