"""Reading CSV as people have it: separated by commas, semicolons, tabs or bars, with or without broken quotes.

The first line names the columns; capital letters do not matter there. A column ``face.age_band`` fills the field
``age_band`` within ``face``. A cell that begins with ``[`` or ``{`` is JSON; in columns that hold lists of names,
``beach; forest`` is a list too. An empty cell is a field left out.
"""

from __future__ import annotations

import csv
import json
import unicodedata
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, Protocol

from brief.limits import shown
from storage.importing.lines import TOO_LONG, BadRow, Line, Notice, TextLines, undecodable

LISTS = ("environments", "framings", "personas", "products", "renditions", "views")
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
MAX_RECORD_LINES = 200
"""A row may hold line breaks within quotes; one that goes on for longer has a quote that is never closed."""


class Layout(Protocol):
    """What the columns of a table mean."""

    def problem(self, columns: Sequence[str]) -> str | None:
        """What is wrong with the names of the columns, in small letters; then no row can be read."""

    def values(self, filled: dict[str, str]) -> dict[str, Any]:
        """From the filled cells of a row, by column, to the fields of :mod:`brief.types`.

        Raises:
            ValueError: the cells contradict each other.
        """


class _Broken(ValueError):
    """A record that is not CSV."""


class _Records:
    """Records of a file as ``(line number, cells)``; one that is broken is passed over, line by line."""

    def __init__(self, lines: TextLines, delimiter: str) -> None:
        self._lines = iter(lines)
        self._delimiter = delimiter
        self._again: deque[tuple[int, str | None]] = deque()
        self._taken: list[tuple[int, str | None]] = []

    def __iter__(self) -> Iterator[tuple[int, list[str] | _Broken]]:
        reader = self._reader()
        while True:
            self._taken.clear()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (_Broken, csv.Error) as error:
                number = self._taken[0][0]
                # Only the first line is lost: what its quote swallowed may be rows of its own.
                self._again.extendleft(reversed(self._taken[1:]))
                reader = self._reader()
                yield number, _Broken(_in_words(error))
            else:
                yield self._taken[0][0], cells

    def _reader(self) -> Any:
        return csv.reader(iter(self._next_line, None), delimiter=self._delimiter, strict=True)

    def _next_line(self) -> str | None:
        line = self._again.popleft() if self._again else next(self._lines, None)
        if line is None:
            return None
        self._taken.append(line)
        text = line[1]
        if text is None:
            raise _Broken(TOO_LONG)
        if len(self._taken) > MAX_RECORD_LINES:
            raise _Broken(f"has a quote that is not closed within {MAX_RECORD_LINES} lines; close or double it")
        if problem := undecodable(text):
            raise _Broken(problem)
        return text


def _in_words(error: Exception) -> str:
    detail = str(error)
    if isinstance(error, _Broken):
        return detail
    if "unexpected end of data" in detail:
        return "has a quote that is never closed; close it, or double it if it belongs to the text"
    if "field larger than field limit" in detail:
        return f"has a cell of more than {csv.field_size_limit():,} characters; shorten it"
    return f'is not CSV ({detail}); write a quote within quotes twice: "5"" mug"'


def table_rows(lines: TextLines, layout: Layout) -> Iterator[Line | BadRow | Notice]:
    """The rows of a CSV file; each that cannot be read is a :class:`BadRow`, and the rest is read."""
    where = shown(lines.file.name)
    delimiter = _delimiter_of(lines)
    if delimiter != ("\t" if lines.file.suffix == ".tsv" else ","):
        yield Notice(where, f"read with {DELIMITERS[delimiter]} between the cells")
    records = iter(_Records(lines, delimiter))
    header = _header(next(records, (1, [""])), where, layout)
    if isinstance(header, BadRow):
        yield header
        return
    empty = True
    for number, cells in records:
        if not isinstance(cells, _Broken) and not any(map(str.strip, cells)):
            continue
        empty = False
        yield _row(lines, number, header, cells, layout)
    if empty:
        yield Notice(where, "holds no rows, only the names of its columns")


def _delimiter_of(lines: TextLines) -> str:
    """What separates the most names in the first line that is not empty."""
    first = next((text for _, text in lines if text is None or text.strip()), None) or ""
    counts = {each: _cells_in(first, each) for each in DELIMITERS}
    return max(counts, key=counts.__getitem__)


def _cells_in(line: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=delimiter), []))
    except csv.Error:
        return 0


def _header(first: tuple[int, list[str] | _Broken], where: str, layout: Layout) -> list[str] | BadRow:
    number, cells = first
    where = f"{where}:{number}"
    if isinstance(cells, _Broken):
        return BadRow(where, "", "", f"the line with the names of the columns {cells}; no row was read")
    names = [unicodedata.normalize("NFC", cell).strip().lower() for cell in cells]
    if not any(names):
        return BadRow(where, "", "", "is empty; the first line must name the columns")
    for name in filter(None, names):
        if names.count(name) > 1:
            return BadRow(where, "", name, "is the name of two columns; keep one. No row was read")
    problem = layout.problem([name for name in names if name])
    return BadRow(where, "", "", f"{problem}. No row was read") if problem else names


def _row(lines: TextLines, number: int, header: list[str], cells: list[str] | _Broken, layout: Layout) -> Line | BadRow:
    where = f"{shown(lines.file.name)}:{number}"
    if isinstance(cells, _Broken):
        return BadRow(where, "", "", str(cells))
    if any(cell.strip() for cell in cells[len(header) :]):
        return BadRow(where, "", "", f"has {len(cells)} cells under {len(header)} columns; quote cells with commas")
    filled = {name: text for name, cell in zip(header, cells, strict=False) if (text := cell.strip())}
    if "" in filled:
        return BadRow(where, "", "", f"has {shown(filled[''])!r} under a column without a name; name the column")
    try:
        values = layout.values(filled)
    except RecursionError:
        return BadRow(where, "", "", "has a cell that is nested too deeply; write it flat")
    except ValueError as error:
        return BadRow(where, "", "", str(error))
    return Line(lines.file, number, values)


NOT_GIVEN = ("doubts",)
"""Fields that a row may not fill, since the import itself finds them."""


def fields_of(kind: type) -> list[str]:
    """The fields that a row of a kind may have."""
    return [each.name for each in fields(kind) if each.name not in NOT_GIVEN]


class OwnColumns:
    """Lookbook's own files: columns named as the fields of ``kind``, with dots for what is within them."""

    def __init__(self, kind: type) -> None:
        self._known = fields_of(kind)

    def problem(self, columns: Sequence[str]) -> str | None:
        for name in columns:
            if name.partition(".")[0] not in self._known:
                known = ", ".join(sorted(self._known))
                return f"column {shown(name)!r} is not known; known are {known}; rename it or take it out"
        return None

    def values(self, filled: dict[str, str]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, cell in filled.items():
            outer, _, inner = name.partition(".")
            if not inner:
                values[outer] = _cell(outer, cell)
            elif isinstance(values.setdefault(outer, {}), dict):
                values[outer][inner] = cell
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
