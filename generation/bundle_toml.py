"""Writing ``bundle.toml``, for whoever makes a bundle: the training run and the stand-ins. Standard library only."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from generation.bundle_card import BundleCard

_TABLES = ("source", "adapters", "scorers", "recipe", "thresholds", "sha256")


def write_card(folder: Path, card: BundleCard) -> None:
    """Write ``card`` as ``folder/bundle.toml``; :func:`generation.bundle_card.read_card` reads it back equal."""
    values = asdict(card)
    lines = [f"{name} = {_value(value)}" for name, value in values.items() if name not in _TABLES]
    for table in _TABLES:
        rows = values[table]
        if table == "thresholds":
            for dimension, cuts in rows.items():
                lines += ["", f"[thresholds.{_value(dimension)}]", *_rows(cuts)]
        elif rows:
            lines += ["", f"[{table}]", *_rows(rows)]
    (folder / "bundle.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _rows(rows: dict[str, object]) -> list[str]:
    return [f"{_value(name)} = {_value(value)}" for name, value in rows.items()]


def _value(value: object) -> str:
    """TOML's strings, numbers and booleans are written as JSON writes them."""
    return json.dumps(value, ensure_ascii=False)
