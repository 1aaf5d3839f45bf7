"""Planted defects: which score catches what, and how many good pictures are stopped with them.

``python -m benchmarks evaluate`` measures the bundle as it ships; with ``--calibrate`` it first writes the bundle's
domain, scales and thresholds, from other takes than those it then judges. A defect is caught where the verdict is
anything but "accept"; a false alarm is a good picture with such a verdict. Writes ``benchmarks/results/evaluate.json``
and ``evaluate.png``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from benchmarks import results
from brief.types import Measurements, Reason, Scorecard, Verdict
from generation.models import Models
from generation.scene.material import Material
from pipeline.judge import judge_take
from training.evaluate.calibrate import calibrate, materials_of
from training.evaluate.defects import NO_DEFECT, measure_all, plant

CAUGHT, ALARMS = 0.95, 0.05
"""Goals."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print and keep the tables; returns 1 where a goal is missed."""
    asked = _arguments(arguments)
    evidence = calibrate(asked.bundle, asked.shots, asked.seed + 1) if asked.calibrate else {}
    models = Models.open(asked.bundle)
    materials = materials_of(models, asked.shots, asked.seed)
    cards = judged(models, materials, measure_all(models, plant(models, materials)))
    rows = confusion(cards)
    caught = _stopped([card for name, found in cards.items() if name != NO_DEFECT for card in found])
    alarms = _stopped(cards[NO_DEFECT])
    limits = [{"dimension": name, **asdict(each)} for name, each in evidence.items()]
    facts = {"bundle": models.painter.card.fingerprint, "scorers": models.scoring.fingerprint, "shots": asked.shots}
    command = f"python -m benchmarks evaluate {' '.join(arguments or ())}".strip()
    results.keep("evaluate", command, rows, **facts, caught=caught, alarms=alarms, thresholds=limits)
    _plot(rows, results.FOLDER / "evaluate.png")
    print(results.table(rows), results.table(limits), sep="\n\n")
    held = caught >= CAUGHT and alarms <= ALARMS
    print(f"caught {caught:.1%} (goal {CAUGHT:.0%}), false alarms {alarms:.1%} (goal {ALARMS:.0%}):", _said(held=held))
    return int(not held)


def _said(*, held: bool) -> str:
    return "goals held" if held else "a goal is MISSED"


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks evaluate", description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("bundles/starter"))
    parser.add_argument("--shots", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calibrate", action="store_true", help="write domain, scales and thresholds into the bundle")
    return parser.parse_args(arguments)


def judged(
    models: Models, materials: Sequence[Material], measured: Mapping[str, Sequence[Measurements]]
) -> dict[str, list[Scorecard]]:
    """Every picture's scorecard under the bundle's own thresholds, per defect."""
    bundle = models.painter.card.info
    return {
        name: [judge_take(each, material.shot, bundle) for each, material in zip(found, materials, strict=True)]
        for name, found in measured.items()
    }


def confusion(cards: Mapping[str, Sequence[Scorecard]]) -> list[dict[str, Any]]:
    """A row per defect: the share of its pictures that is stopped, and that each dimension stops."""
    found = {name: Counter(each for card in some for each in _found(card)) for name, some in cards.items()}
    columns = [each for each, _ in sum(found.values(), Counter()).most_common()]
    return [
        {"defect": name, "stopped": _stopped(some)}
        | {each: round(found[name][each] / len(some), 3) if found[name][each] else None for each in columns}
        for name, some in cards.items()
    ]


def _found(card: Scorecard) -> set[str]:
    """What stopped a take; pixels that were altered apart from scores that are low."""
    return {f"{each.dimension} pixels" if each.reason is Reason.ALTERED else each.dimension for each in card.findings}


def _stopped(cards: Sequence[Scorecard]) -> float:
    return round(sum(card.verdict is not Verdict.ACCEPT for card in cards) / len(cards), 4)


def _plot(rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Bars of the share that is stopped, with the goals."""
    left, top, wide, high = 140, 40, 460, 26
    picture = Image.new("RGB", (left + wide + 60, top + high * len(rows) + 20), "white")
    pen = ImageDraw.Draw(picture)
    pen.text((12, 12), "Pictures that are not accepted; goals dotted", fill="black")
    for number, row in enumerate(rows):
        y = top + high * number
        colour = "#888888" if row["defect"] == NO_DEFECT else "#1b6ca8"
        pen.rectangle((left, y + 4, left + wide * row["stopped"], y + high - 4), fill=colour)
        pen.text((12, y + 6), row["defect"], fill="black")
        pen.text((left + wide * row["stopped"] + 6, y + 6), f"{row['stopped']:.0%}", fill="black")
    for goal, colour in ((CAUGHT, "#2e8b57"), (ALARMS, "#c0392b")):
        for y in range(top, top + high * len(rows), 6):
            pen.line((left + wide * goal, y, left + wide * goal, y + 3), fill=colour)
    picture.save(file)


if __name__ == "__main__":
    raise SystemExit(main())
