"""Whether the words on a product can still be read in the picture: by PP-OCRv6 through RapidOCR (the extra ``label``),
whose wheel holds its models, so that nothing is fetched."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from cachetools import LRUCache, cached
from PIL import Image

from generation.score.likeness import Unavailable

SURE = 0.8
"""Confidence from which a line of the packshot counts as words: labels have ornaments that look like letters."""
FEWEST = 2
"""Letters and digits that make a line."""
_AIR = 0.15
_SEEN = 640
"""Longer edge at which words are looked for, at least: the detector misses what is smaller."""
_REMEMBERED = 64


def label_version() -> str:
    """What reads the words, for the fingerprint of the scorers; empty where nothing does."""
    try:
        return version("rapidocr")
    except PackageNotFoundError:
        return ""


def label_agreement(picture: Image.Image, product: Image.Image) -> float:
    """How much of the words on a product is found in the picture, 0 to 1: per line of the packshot the likeness of
    the most similar line (Ratcliff and Obershelp, 1988), weighted by the lines' lengths.

    The packshot is read as large as the picture shows it, so that words which are too small there are asked of nobody.

    Args:
        picture: RGB.
        product: the placed cut-out, RGBA, of the picture's size.

    Raises:
        Unavailable: nothing reads words here, or the product has none that are legible at its size.
    """
    box = product.getchannel("A").getbbox()
    if box is None:
        raise Unavailable("the product covers no pixel of the picture")
    air = round(_AIR * max(box[2] - box[0], box[3] - box[1]))
    around = (box[0] - air, box[1] - air, box[2] + air, box[3] + air)
    plain = Image.new("RGB", product.size, "white")
    plain.paste(product, mask=product.getchannel("A"))
    wanted = read_words(plain.crop(around))
    if not wanted:
        raise Unavailable("no words can be read on the packshot at the size at which the picture shows it")
    found = read_words(picture.convert("RGB").crop(around), sure=0.0)
    weights = [len(line) for line in wanted]
    return sum(weight * _nearest(line, found) for weight, line in zip(weights, wanted, strict=True)) / sum(weights)


def _nearest(line: str, found: Sequence[str]) -> float:
    # What stands on one line of the packshot may be found as two.
    candidates = [*found, "".join(found)]
    return max((SequenceMatcher(None, line, each, autojunk=False).ratio() for each in candidates), default=0.0)


def read_words(image: Image.Image, sure: float = SURE) -> list[str]:
    """The lines of words in an RGB image, from top to bottom, as capital letters and digits alone.

    Args:
        sure: confidence (0 to 1) from which a line counts.

    Raises:
        Unavailable: RapidOCR is not installed.
    """
    factor = max(1.0, _SEEN / max(image.size))
    larger = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)
    plain = ((_letters(text), confidence) for text, confidence in _lines(larger))
    return [words for words, confidence in plain if len(words) >= FEWEST and confidence >= sure]


def read_lines(image: Image.Image) -> list[str]:
    """The lines of words in an RGB image, from top to bottom, as they are written.

    Raises:
        Unavailable: RapidOCR is not installed.
    """
    return [text for text, confidence in _lines(image) if confidence >= SURE]


@cached(LRUCache(_REMEMBERED), key=lambda image: (image.size, hashlib.sha256(image.tobytes()).digest()))
def _lines(image: Image.Image) -> list[tuple[str, float]]:
    found = _reader()(np.ascontiguousarray(np.asarray(image)[:, :, ::-1]))
    return [(text, float(sure)) for text, sure in zip(found.txts or (), found.scores or (), strict=True)]


def _letters(text: str) -> str:
    return "".join(each for each in unicodedata.normalize("NFKC", text).upper() if each.isalnum())


@cache
def _reader() -> Any:
    try:
        from rapidocr import RapidOCR
    except ImportError as error:
        raise Unavailable(
            "words are read by the extra `label` (rapidocr, onnxruntime), which is not installed"
        ) from error
    threads = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
    return RapidOCR(params={"Global.log_level": "critical", **threads})
