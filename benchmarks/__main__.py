"""``python -m benchmarks NAME [options]``; what ``make benchmark`` and ``make faults`` call."""

from __future__ import annotations

import sys
from importlib import import_module

MEASUREMENTS = {
    "families": "what holds for each family of models, by the tests that show it; writes docs/models.md",
    "drawing": "pictures a second against stock diffusers, and against the machine's limit",
    "cutouts": "products cut out of packshots, against their true outlines",
    "compose": "docker-compose.yml with two generation services, run without containers",
    "evaluate": "planted defects: which score catches what, and how many good pictures are stopped",
    "faults": "kill rounds and S3 faults, with what must hold after each",
    "gallery": "server time of the gallery's pages with 100,000 pictures, and how PostgreSQL finds them",
    "importing": "rows a second and memory of a feed of a million rows",
    "orchestration": "what Airflow costs a run, by the size of its shards, with a clock in place of the models",
    "scale": "what a shot costs each part, and what that means for 10^8 of them",
    "stores": "writes with digests, planning as it grows, a run in which nothing changed",
    "services": "two generation services, and one of them killed",
}
"""Name, which is also the module's, and what it measures. Each module has ``main(arguments) -> exit status``."""


def main(arguments: list[str]) -> int:
    """Entry point; the exit status."""
    if not arguments or arguments[0] not in MEASUREMENTS:
        print("usage: python -m benchmarks NAME [options]", *_names(), sep="\n", file=sys.stderr)
        return 2
    name, *options = arguments
    return int(import_module(f"benchmarks.{name}").main(options))


def _names() -> list[str]:
    return [f"  {name:<14}{what}" for name, what in MEASUREMENTS.items()]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
