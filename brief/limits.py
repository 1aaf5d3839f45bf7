"""Limits of what comes from outside, as annotations for the types: text that a person can see, a prompt can use and
PostgreSQL can store; numbers that are numbers.

What a catalog holds already may be older than a limit and stays readable: it is read with ``context=STORED``.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

STORED = "stored"
"""Validation context of what the catalog holds: it was checked by the version that took it, whose limits were other."""

_HIDDEN = {
    "Cc": "a control character",
    "Cf": "an invisible character",
    "Cs": "half a character (a lone surrogate)",
    "Co": "a character of private use",
    "Zl": "an invisible character",
    "Zp": "an invisible character",
}
_LINE_BREAKS = "\n\r\t"
_JOINERS = "\u200c\u200d"
"""Within text they are spelling: Persian needs the one, emoji the other."""
_PLAIN = re.compile(r"[\x20-\x7e\u00a1-\u00ac\u00ae-\u0377]*")
"""Latin text without anything to object to, which is nearly all of it: told by one pass in C."""


def unusable_character(text: str, *, name: bool = False) -> str | None:
    """What is wrong with the first character that may not stand in ``text``, or ``None``.

    Args:
        name: SKUs and names have one line and no joiners either, so that two that look alike are alike.
    """
    if _PLAIN.fullmatch(text):
        return None
    for place, letter in enumerate(text, 1):
        kind = unicodedata.category(letter)
        if letter == "\ufffd":
            return f"character {place} is U+FFFD: the text was damaged before it came here; correct it at its source"
        if not name and letter in _LINE_BREAKS + _JOINERS:
            continue
        if kind in _HIDDEN or (name and kind == "Zs" and letter != " "):
            what = _HIDDEN.get(kind, "a space of unusual width")
            return f"character {place} is {what} (U+{ord(letter):04X}); take it out"
    return None


def shown(value: object, longest: int = 80) -> str:
    """A value from outside for a message: one line, nothing that a terminal obeys, cut at ``longest`` characters."""
    text = value if isinstance(value, str) else repr(value)
    cut = text[:longest] + ("..." if len(text) > longest else "")
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in cut)


def _unless_stored(value: Any, limited: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    try:
        return limited(value)
    except ValidationError:
        if info.context == STORED and isinstance(value, str | int | float):
            return value
        raise


def _legible(text: str) -> str:
    if problem := unusable_character(text):
        raise ValueError(problem)
    return text


def _one_name(text: str) -> str:
    if problem := unusable_character(text, name=True):
        raise ValueError(problem)
    if text != text.strip() or not unicodedata.is_normalized("NFC", text):
        raise ValueError("begins or ends with a space, or is not in Unicode's normal form NFC; write it plainly")
    return text


def _no_yes(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("true and false are no numbers; give a whole number")
    return value


LIMITED = WrapValidator(_unless_stored)
"""The limits before it hold, except for what is stored."""
LEGIBLE = AfterValidator(_legible)
ONE_NAME = AfterValidator(_one_name)
NUMBER = BeforeValidator(_no_yes)


def explained(error: ValidationError) -> tuple[str, str]:
    """The first thing that a validation found: the field ("face.skin_tone"), and what is wrong and allowed there."""
    first = error.errors(include_url=False)[0]
    where = ".".join(shown(part, 40) for part in first["loc"])
    given, limits = first["input"], first.get("ctx", {})
    match first["type"]:
        case "missing":
            return where, "is missing; every row must have it"
        case "string_too_short":
            return where, "is empty; fill it in"
        case "string_too_long":
            return where, f"has {len(given):,} characters, at most {limits['max_length']:,} are taken; shorten it"
        case "string_unicode":
            return where, "holds half a character (a lone surrogate); take it out"
        case "string_pattern_mismatch":
            return where, f"{shown(given)!r} does not look like {limits['pattern']}"
        case "literal_error" | "enum":
            return (
                where,
                f"{shown(given)!r} is not one of {limits['expected'].replace(' or ', ', ').replace(chr(39), '')}",
            )
    message = str(first["msg"]).removeprefix("Value error, ").replace("Input should", "it should")
    return where, f"{shown(given)} is not taken: {message}"
