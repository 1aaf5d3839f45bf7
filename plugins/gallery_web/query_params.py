"""What an address may ask for: texts, page marks and numbers within what the database takes."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, HTTPException, Path, Query
from pydantic import AfterValidator

from storage.catalog.search import Order, ReviewOrder, ReviewSearch, ShotSearch, ShownIn
from storage.catalog.tables import ShotState

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


def known_key(key: str) -> str:
    """A shot's key, or 404: keys are hexadecimal."""
    if not key.isascii() or not key.isalnum():
        raise HTTPException(404, f"shot {key!r} is not in the catalog")
    return key


def shown_in(
    text: Text = "", campaign: Text = "", environment: Text = "", persona: Text = "", framing: Text = ""
) -> ShownIn:
    """What both shots and reviews are looked for by."""
    return ShownIn(text.strip(), campaign, environment, persona, framing)


def shot_query(
    shown: Annotated[ShownIn, Depends(shown_in)],
    sku: Text = "",
    state: ShotState | Literal[""] = "",
    order: Order = Order.LATEST,
) -> ShotSearch:
    """The search of the gallery's form."""
    return ShotSearch(shown, sku, state or None, None, order)


def review_query(
    shown: Annotated[ShownIn, Depends(shown_in)], reason: Text = "", order: ReviewOrder = ReviewOrder.OLDEST
) -> ReviewSearch:
    """The search of the reviews' form."""
    return ReviewSearch(shown, reason.strip(), order)


ShotQuery = Annotated[ShotSearch, Depends(shot_query)]
ReviewQuery = Annotated[ReviewSearch, Depends(review_query)]


def query_of(wanted: ShotSearch | ReviewSearch) -> dict[str, str]:
    """A search as it stands in an address; what is empty or usual is left out."""
    shown = wanted.shown
    found = {
        "text": shown.text,
        "campaign": shown.campaign,
        "environment": shown.environment,
        "persona": shown.persona,
        "framing": shown.framing,
    }
    if isinstance(wanted, ReviewSearch):
        found |= {"reason": wanted.reason, "order": "" if wanted.order is ReviewOrder.OLDEST else wanted.order.value}
    else:
        state = wanted.state.value if wanted.state else ""
        found |= {
            "sku": wanted.sku,
            "state": state,
            "order": "" if wanted.order is Order.LATEST else wanted.order.value,
        }
    return {name: value for name, value in found.items() if value}
