"""What measurements leave behind: a table on the terminal, JSON and a plot under ``benchmarks/results``."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import log
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

FOLDER = Path(__file__).parent / "results"
Row = Mapping[str, Any]
_SIZE, _MARGIN = (720, 400), 60
_COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#d68910", "#555555")


def machine() -> dict[str, Any]:
    """What a figure depends on besides the code."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "load": [round(each, 1) for each in os.getloadavg()],
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def keep(name: str, command: str, rows: Sequence[Row], **more: Any) -> Path:
    """Write ``results/NAME.json``: the command, the machine, the rows, and whatever else there is to say."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.json"
    content = {"command": command, "machine": machine(), **more, "rows": list(rows)}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n")
    return path


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table; the first row has the columns."""
    columns = list(rows[0]) if rows else []
    cells = [columns, *([_text(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    return (
        "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]) if rows else ""
    )


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else str(value).replace("|", "/")


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Exponent of growth: least squares over the logarithms of (size, cost); 1 is linear."""
    pairs = [(log(size), log(cost)) for size, cost in points]
    mean_x, mean_y = (sum(each[axis] for each in pairs) / len(pairs) for axis in (0, 1))
    return sum((x - mean_x) * (y - mean_y) for x, y in pairs) / sum((x - mean_x) ** 2 for x, _ in pairs)


def plot(name: str, title: str, lines: Mapping[str, Sequence[tuple[float, float]]], axes: tuple[str, str]) -> Path:
    """Draw ``results/NAME.png``: lines over logarithmic axes; values above 0."""
    picture = Image.new("RGB", _SIZE, "white")
    pen = ImageDraw.Draw(picture)
    xs, ys = ([log(point[axis]) for line in lines.values() for point in line] for axis in (0, 1))
    width, height = _SIZE[0] - 2 * _MARGIN, _SIZE[1] - 2 * _MARGIN

    def place(x: float, y: float) -> tuple[float, float]:
        across = (log(x) - min(xs)) / ((max(xs) - min(xs)) or 1)
        up = (log(y) - min(ys)) / ((max(ys) - min(ys)) or 1)
        return _MARGIN + width * across, _SIZE[1] - _MARGIN - height * up

    pen.text((_MARGIN, 12), title, fill="black")
    pen.text((_MARGIN, 30), f"{axes[1]} against {axes[0]}, both logarithmic", fill="#555555")
    for number, (label, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        corners = [place(*point) for point in line]
        pen.line(corners, fill=colour, width=2)
        for corner, (x, y) in zip(corners, line, strict=True):
            pen.ellipse((corner[0] - 3, corner[1] - 3, corner[0] + 3, corner[1] + 3), fill=colour)
            pen.text((corner[0] + 5, corner[1] - 12), f"{x:g}: {y:.3g}", fill=colour)
        pen.text((_MARGIN + 160 * number, _SIZE[1] - 30), label, fill=colour)
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.png"
    picture.save(path)
    return path
