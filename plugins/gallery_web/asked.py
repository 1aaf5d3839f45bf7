"""What an address may ask for: texts, page marks and numbers within what the database takes."""

from __future__ import annotations

from typing import Annotated

from fastapi import HTTPException, Path, Query
from pydantic import AfterValidator

MOST_TEXT = 300
MOST_ID = 2**31 - 1
"""Ids are PostgreSQL's integers."""


def _writable(text: str) -> str:
    """PostgreSQL holds no NUL, and UTF-8 no half of a surrogate pair."""
    if "\0" in text:
        raise ValueError("holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("holds half of a character") from error
    return text


Writable = Annotated[str, AfterValidator(_writable)]
Text = Annotated[Writable, Query(max_length=MOST_TEXT)]
Name = Annotated[Writable, Path(max_length=MOST_TEXT)]
ShotKey = Annotated[str, Path(max_length=64)]
Id = Annotated[int, Path(ge=1, le=MOST_ID)]
Skip = Annotated[int, Query(ge=0, le=MOST_ID)]
Page = Annotated[int, Query(alias="page", ge=1, le=1_000_000)]


def known_key(key: str) -> str:
    """A shot's key, or 404: keys are hexadecimal."""
    if not key.isascii() or not key.isalnum():
        raise HTTPException(404, f"shot {key!r} is not in the catalog")
    return key
