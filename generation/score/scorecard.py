"""A take's scorecard: every dimension, the verdict, and the reasons in words."""

from __future__ import annotations

from generation.brief import Scorecard, Verdict
from generation.bundle import Bundle
from generation.encoders import Encoders
from generation.inputs import Result, TakeInputs, opened
from generation.score.technical import exposure, sharpness


def score_picture(bundle: Bundle, encoders: Encoders, inputs: TakeInputs) -> Result:
    """Score the refined picture of one take.

    Raises:
        ValueError: an image is missing or cannot be read.
    """
    picture = opened(inputs.picture, f"refined picture of {inputs.shot.product.sku!r}").convert("RGB")
    values = {"sharpness": sharpness(picture), "exposure": exposure(picture)}
    return Result(inputs.take.key, scorecard=Scorecard(values, Verdict.REVIEW, ("no thresholds are set",)))
