"""Reading CSV and JSON Lines into numbered rows, before anybody knows what they mean.

JSON Lines: one object per line with the field names of :mod:`brief.types`.

CSV: a header with the same names. A column ``face.age_band`` fills the field ``age_band`` within ``face``. A cell
that begins with ``[`` or ``{`` is JSON; in columns that hold lists of names, ``beach; forest`` is a list too. An empty
cell is a field left out.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUFFIXES = (".jsonl", ".csv")
LISTS = ("environments", "framings", "personas", "products")


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a file as plain values; ``number`` is its line in the file, from 1."""

    file: Path
    number: int
    values: dict[str, Any]

    @property
    def where(self) -> str:
        """File and line, for messages."""
        return f"{self.file.name}:{self.number}"


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was not loaded: where it is, which field is wrong, and what to do."""

    where: str
    name: str
    field: str
    reason: str


def read_lines(file: Path) -> Iterator[Line | BadRow]:
    """The rows of a .csv or .jsonl file; what cannot be read at all comes as :class:`BadRow`."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        yield BadRow(file.name, "", "", f"byte {error.start + 1} is not UTF-8; save the file as UTF-8")
        return
    yield from _csv(file, text) if file.suffix == ".csv" else _json_lines(file, text)


def _json_lines(file: Path, text: str) -> Iterator[Line | BadRow]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            yield BadRow(f"{file.name}:{number}", "", "", f"is not JSON ({error}); write one object per line")
            continue
        if isinstance(values, dict):
            yield Line(file, number, values)
        else:
            yield BadRow(f"{file.name}:{number}", "", "", "is JSON but not an object; write {...} on each line")


def _csv(file: Path, text: str) -> Iterator[Line | BadRow]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            where = f"{file.name}:{rows.line_num}"
            if len(cells) > len(header):
                yield BadRow(
                    where, "", "", f"has {len(cells)} cells under {len(header)} columns; quote cells with commas"
                )
                continue
            try:
                yield Line(file, rows.line_num, _nested(header, cells))
            except ValueError as error:
                yield BadRow(where, "", "", str(error))
    except csv.Error as error:
        yield BadRow(f"{file.name}:{rows.line_num}", "", "", f"is not CSV ({error}); the rest of the file was not read")


def _nested(header: list[str], cells: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, cell in zip(header, cells, strict=False):
        if not cell.strip():
            continue
        outer, _, inner = name.partition(".")
        if not inner:
            values[outer] = _cell(outer, cell.strip())
        elif isinstance(values.setdefault(outer, {}), dict):
            values[outer][inner] = cell.strip()
        else:
            raise ValueError(f"columns {outer!r} and {name!r} contradict each other; keep one of them")
    return values


def _cell(name: str, cell: str) -> Any:
    if cell[0] in "[{":
        try:
            return json.loads(cell)
        except ValueError as error:
            raise ValueError(f"{name}: the cell begins like JSON but is not ({error})") from error
    if name in LISTS:
        return [part.strip() for part in cell.split(";") if part.strip()]
    return cell
