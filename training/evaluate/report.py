"""The evaluation as a table, as JSON and as contact sheets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FLOORS = {
    "features": (0.85, 0.97),
    "identity_auc": (0.95, 0.99),
    "likeness": (0.85, 0.92),
    "features_drawn": (0.85, 0.97),
    "sharpness": (0.8, 1.0),
    "seam": (1.3, 1.0),
    "product_top1": (0.60, 0.90),
    "place_top1": (0.85, 0.97),
    "frechet": (float("nan"), float("nan")),
    "seconds_per_shot": (4.0, 1.5),
    "psnr_db": (27.0, 32.0),
}
"""Floor and goal of every measure, of product and place by the adapters alone; seconds and seams are better when lower.
The floor of the Fréchet distance is that of the collages, its goal half of that."""
_LOWER = ("seconds_per_shot", "frechet", "seam")
_BY_ADAPTERS = ("product_top1", "place_top1")


@dataclass(slots=True)
class Report:
    """Everything that was measured. ``shipped``: as shots are made, with what is kept put back; ``collage``: the
    people of the collages that they begin with; ``drawn``: originals lead most of the steps, but every pixel is the
    models'; ``adapters_only``: no words, no originals."""

    fingerprint: str
    personas: int
    products: int
    shots: int
    seed: int
    portrait_seeds: list[int]
    shot_seeds: list[int]
    features: dict[str, Any] = field(default_factory=dict)
    shipped: dict[str, float] = field(default_factory=dict)
    collage: dict[str, float] = field(default_factory=dict)
    drawn: dict[str, float] = field(default_factory=dict)
    adapters_only: dict[str, float] = field(default_factory=dict)
    ablation: dict[str, dict[str, float]] = field(default_factory=dict)
    seconds_per_shot: float = 0.0
    psnr_db: float = 0.0
    scores: dict[str, dict[str, float]] = field(default_factory=dict)

    def save(self, file: Path) -> None:
        """Write as JSON."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    def table(self) -> str:
        """Markdown: every measure with floor, goal and whether it is held."""
        values = {
            "features": self.features["ratio"],
            **self.shipped,
            "seconds_per_shot": self.seconds_per_shot,
            "psnr_db": self.psnr_db,
        }
        floors = {**FLOORS, "frechet": (self.collage["frechet"], self.collage["frechet"] / 2)}
        sides = {"collage": self.collage, "nothing pasted": self.drawn, "adapters only": self.adapters_only}
        heads = ("measure", "reached", *sides, "floor", "goal", "floor held")
        lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for name, (floor, goal) in floors.items():
            value = self.adapters_only.get(name, values[name]) if name in _BY_ADAPTERS else values[name]
            others = [f"{side[name]:.2f}" if name in side else "" for side in sides.values()]
            held = value <= floor if name in _LOWER else value >= floor
            cells = [name, f"{values[name]:.2f}", *others, f"{floor:.2f}", f"{goal:.2f}", "yes" if held else "no"]
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join([*lines, "", *_ablation(self.ablation)])


def _ablation(rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    if not rows:
        return []
    names = list(next(iter(rows.values())))
    lines = [f"| ablation | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    return [
        *lines,
        *(f"| {case} | {' | '.join(f'{found[name]:.2f}' for name in names)} |" for case, found in rows.items()),
    ]
