"""What a file says of its origin, and whether it is still as it was published; of anybody's file."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from enum import StrEnum
from html import unescape

from PIL import Image, UnidentifiedImageError

from pipeline.credentials import DEVELOPMENT, Credentials, read_credentials
from pipeline.provenance import COMPOSITE, WHOLLY_GENERATED


class Answer(StrEnum):
    """What is known of a file's origin."""

    INTACT = "made by Lookbook and not altered since"
    ALTERED = "made by Lookbook and altered since"
    MARKED = "marked as made by Lookbook, without a signature that would show whether it was altered"
    STRANGER = "not made by Lookbook, as far as can be told: it carries no mark of it"
    NO_PICTURE = "not a picture that can be read"


@dataclass(frozen=True, slots=True)
class Verified:
    """An answer with what it rests on.

    Attributes:
        facts: name and value, in the order in which they are told.
    """

    answer: Answer
    facts: tuple[tuple[str, str], ...]


_TOLD = {
    "source type": rb'DigitalSourceType="([^"]*)"',
    "made with": rb'CreatorTool="([^"]*)"',
    "model": rb'AISystemUsed="([^"]*)"',
    "model version": rb'AISystemVersionUsed="([^"]*)"',
    "made at": rb'CreateDate="([^"]*)"',
    "shot": rb'identifier="([^"]*)"',
    "alt text": rb'<rdf:li xml:lang="x-default">([^<]*)</rdf:li>',
}
"""What our XMP says, by how it is found: a program that saves the file again may write it in its own way around."""


def verify(data: bytes) -> Verified:
    """Whether a file was made by Lookbook and is as it was; nothing is fetched, and no catalog is needed."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            mime, xmp = str(image.get_format_mimetype()), image.info.get("xmp") or b""
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return Verified(Answer.NO_PICTURE, ())
    packet = xmp.encode() if isinstance(xmp, str) else xmp
    marks = {name: found[1] for name, how in _TOLD.items() if (found := re.search(how, packet))}
    told = [(name, unescape(value.decode("utf-8", "replace"))) for name, value in marks.items() if value]
    ours = dict(told).get("made with", "").startswith("Lookbook")
    signed = read_credentials(data, mime)
    if signed is not None and signed.origin is not None:
        answer = Answer.INTACT if signed.intact else Answer.ALTERED
        return Verified(answer, (*_of(signed), *(told if ours else ())))
    if ours and signed is not None and not signed.intact:
        return Verified(Answer.ALTERED, (*_of(signed), *told))
    if ours:
        return Verified(Answer.MARKED, tuple(told))
    others = _of(signed) if signed else ()
    stated = dict(told).get("source type", "")
    by_a_model = (
        (("says of itself", f"made with a model ({stated})"),) if stated in (COMPOSITE, WHOLLY_GENERATED) else ()
    )
    return Verified(Answer.STRANGER, (*others, *by_a_model))


def _of(signed: Credentials) -> tuple[tuple[str, str], ...]:
    origin = signed.origin or {}
    known = "" if signed.signer != DEVELOPMENT else "; anybody can make such a one"
    return tuple(
        (name, value)
        for name, value in (
            ("signed by", f"{signed.signer}{known}"),
            ("signed with", signed.generator),
            ("signature", "whole" if signed.intact else ", ".join(signed.problems) or "broken"),
            ("signed source type", signed.source_type or ""),
            ("signed shot", str(origin.get("shot", ""))),
            ("take", str(origin.get("take", ""))),
        )
        if value
    )
