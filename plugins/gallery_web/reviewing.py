"""Deciding: doubtful takes beside what they were made from, one after the other."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from gallery_web import stores
from gallery_web.access import CanDecide, DecidingUser
from gallery_web.asked import MOST_ID, Id, Skip, Writable
from gallery_web.events import announce
from gallery_web.pages import picture_of, portrait_of
from gallery_web.render import page
from pipeline.airflow_assets import APPROVALS
from storage.catalog.tables import Decision

REASONS = ("product is wrong", "face is wrong", "place is wrong", "light or colour", "artefacts", "not on brand")
"""Quick reasons for a rejection; the note holds anything else."""
MAX_NOTE = 500
ANSWERED = 50

router = APIRouter()


@router.get("/reviews", name="reviews")
def reviews(request: Request, may_decide: CanDecide, skip: Skip = 0) -> Response:
    """The review that waits longest, after ``skip`` others, with a form for whoever may decide."""
    catalog = stores.catalog()
    waiting = catalog.reviews(waiting=True, offset=skip, limit=2)
    current = waiting[0] if waiting else None
    return page(
        request,
        "reviews.html",
        review=current,
        picture=picture_of(current.take) if current else None,
        portrait=portrait_of(current.shot.persona, current.shot.portrait_key) if current else None,
        skip=skip,
        more=len(waiting) > 1,
        answered=catalog.reviews(waiting=False, limit=ANSWERED),
        may_decide=may_decide,
        reasons=REASONS,
        max_note=MAX_NOTE,
    )


@router.post("/reviews/{review}", name="decide")
def decide(
    request: Request,
    review: Id,
    user: DecidingUser,
    decision: Annotated[Decision, Form()],
    reason: Annotated[str, Form()] = "",
    note: Annotated[Writable, Form(max_length=MAX_NOTE)] = "",
    skip: Annotated[int, Form(ge=0, le=MOST_ID)] = 0,
) -> Response:
    """Record the answer and go on to the next review."""
    if reason and reason not in REASONS:
        raise HTTPException(422, f"reason {reason!r} is not one of {', '.join(REASONS)}")
    said = "; ".join(part for part in (reason if decision is Decision.REJECT else "", note.strip()) if part)
    stores.catalog().decide(review, decision, user, said)
    if decision is Decision.APPROVE:
        announce(APPROVALS, {"review": review, "by": user})
    way = request.scope.get("root_path", "") + request.app.url_path_for("reviews")
    return RedirectResponse(f"{way}?skip={skip}", 303)
