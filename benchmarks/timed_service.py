"""The generation service with a clock in place of the models: everything is real but the time that pictures take.

``LOOKBOOK_TIMED_SECONDS`` says how long an item takes per stage, such as ``face=1,compose=2,refine=1,score=0.5``.
Started as ``uvicorn --factory benchmarks.timed_service:create_app``. Pictures are plain colours, scores perfect.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from fastapi import FastAPI
from PIL import Image

import generation.studio
from brief.dimensions import DIMENSIONS
from brief.recipe import digest
from brief.types import BundleInfo, Measurements, Persona
from generation.bundle.card import BundleCard, read_card
from generation.counts import Counts
from generation.scene.material import Material, Result
from service import app

VARIABLE = "LOOKBOOK_TIMED_SECONDS"
USUAL = "face=0.1,compose=0.1,refine=0.1,score=0.05"


class TimedStudio:
    """What the worker asks of a studio; an item of a stage takes its seconds and no CPU."""

    device = torch.device("cpu")

    def __init__(self, card: BundleCard) -> None:
        self.card = card
        self.counts = Counts(loads=1)
        pairs = (each.split("=") for each in os.environ.get(VARIABLE, USUAL).split(","))
        self._seconds = {stage: float(seconds) for stage, seconds in pairs}

    @classmethod
    def open(
        cls, folder: Path | str, device: str | None = None, batch: int = 8, *, compile_blocks: bool = False
    ) -> TimedStudio:
        """The card of the bundle in ``folder``; no weights are read."""
        return cls(read_card(Path(folder)))

    @property
    def info(self) -> BundleInfo:
        """The bundle as the service reports it."""
        return replace(self.card.info, scorers=digest(["timed", self.card.fingerprint]))

    def faces(self, personas: Mapping[str, Persona]) -> Iterator[Result]:
        """A colour for each."""
        return (Result(key, self._picture("face", key), seconds=self._seconds["face"]) for key in personas)

    def compose(self, takes: Sequence[Material]) -> Iterator[Result]:
        """A colour for each."""
        return self._drawn("compose", takes)

    def refine(self, takes: Sequence[Material]) -> Iterator[Result]:
        """A colour for each."""
        return self._drawn("refine", takes)

    def score(self, takes: Sequence[Material]) -> Iterator[Result]:
        """A perfect card for each."""
        for take in takes:
            self._pass("score")
            measured = Measurements({each.name: 1.0 for each in DIMENSIONS}, scorers=self.info.scorers)
            yield Result(take.key, measured=measured, seconds=self._seconds["score"])

    def _drawn(self, stage: str, takes: Sequence[Material]) -> Iterator[Result]:
        return (Result(each.key, self._picture(stage, each.key), seconds=self._seconds[stage]) for each in takes)

    def _picture(self, stage: str, key: str) -> Image.Image:
        self._pass(stage)
        colour = (int(key[:2], 16), int(key[2:4], 16), int(key[4:6], 16))
        return Image.new("RGB", (64, 64), colour)

    def _pass(self, stage: str) -> None:
        time.sleep(self._seconds[stage])
        self.counts.add_seconds(stage, self._seconds[stage])
        self.counts.images[stage] += 1


def create_app() -> FastAPI:
    """The service's own application."""
    generation.studio.Studio = TimedStudio  # type: ignore[misc, assignment]
    return app.create_app()
