"""Deciding: what waits for a person, as a grid and one by one, beside what it was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from gallery_web import presentation, stores
from gallery_web.access import CanDecide, DecidingUser
from gallery_web.events import announce
from gallery_web.query_params import MOST_ID, Id, ReviewQuery, Text, Writable, query_of
from gallery_web.render import address, page
from pipeline.airflow_assets import APPROVALS, RETAKES
from pipeline.current import remove_published, write_current
from storage.catalog import decisions, search
from storage.catalog.decisions import NotAllowed, RetakeChanges
from storage.catalog.errors import AlreadyDecided, RowMissing
from storage.catalog.search import ReviewOrder
from storage.catalog.tables import Decision

REASONS = ("product is wrong", "face is wrong", "place is wrong", "light or colour", "artefacts", "not on brand")
"""Quick reasons for turning a take down; the note holds anything else."""
MAX_NOTE = 500
MAX_WORDS = 200
PER_PAGE = 48
ANSWERED = 50
MOST_AT_ONCE = 500

router = APIRouter()

Note = Annotated[Writable, Form(max_length=MAX_NOTE)]
Done = Annotated[Writable, Query(max_length=6000)]
"""Ids of reviews that were just answered, by commas."""
Ids = Annotated[list[int], Form(max_length=MOST_AT_ONCE)]


@router.get("/reviews", name="reviews")
def reviews(
    request: Request, wanted: ReviewQuery, may_decide: CanDecide, after: Text = "", done: Done = "", said: Text = ""
) -> Response:
    """All that waits and fits the search, as a grid with a box to tick on each."""
    catalog = stores.catalog()
    with catalog.begin() as session:
        found = search.find_reviews(session, wanted, after=after, limit=PER_PAGE)
    return page(
        request,
        "reviews.html",
        wanted=wanted,
        asked=query_of(wanted),
        found=found,
        counted=search.COUNTED,
        first=not after,
        shown=[(each, presentation.picture_of(each.take)) for each in found.reviews],
        answered=catalog.reviews(waiting=False, limit=ANSWERED),
        choices=presentation.choices(catalog),
        orders=[each.value for each in ReviewOrder],
        may_decide=may_decide,
        reasons=REASONS,
        max_note=MAX_NOTE,
        done=done,
        said=said,
    )


@router.get("/waiting.json", name="waiting")
def waiting() -> Response:
    """How many reviews wait, for Airflow's navigation."""
    return JSONResponse({"waiting": stores.waiting() or 0})


@router.get("/reviews/{review}", name="review")
def review(
    request: Request, review: Id, wanted: ReviewQuery, may_decide: CanDecide, done: Done = "", said: Text = ""
) -> Response:
    """One waiting take beside its references and the shot's other takes, with its neighbours in the search."""
    catalog = stores.catalog()
    current = catalog.review(review)
    with catalog.begin() as session:
        beside = search.neighbours(session, wanted, review)
    limits = presentation.limits_of(current.shot, presentation.bundle_limits())
    takes = [(take, presentation.picture_of(take)) for take in catalog.takes([current.shot.key])[current.shot.key]]
    return page(
        request,
        "review.html",
        review=current,
        shot=current.shot,
        picture=presentation.picture_of(current.take),
        references=presentation.references(current.shot, current.take.take),
        takes=[(take, key) for take, key in takes if take.take.key != current.take.take.key and key],
        scores=presentation.scores(current.take, limits),
        asked=query_of(wanted),
        beside=beside,
        may_decide=may_decide,
        reasons=REASONS,
        sliders=decisions.LIMITS,
        max_note=MAX_NOTE,
        max_words=MAX_WORDS,
        done=done,
        said=said,
    )


@router.post("/reviews/undo", name="undo")
def undo(request: Request, user: DecidingUser, ids: Annotated[str, Form(max_length=6000)]) -> Response:
    """Take answers back; what was published of them leaves the bucket first."""
    numbers = [int(part) for part in ids.split(",") if part.isascii() and part.isdigit() and int(part) <= MOST_ID]
    if not numbers:
        raise HTTPException(422, "which answers are to be taken back? None was named")
    for number in numbers[:MOST_AT_ONCE]:
        _take_back(number, user)
    if len(numbers) == 1:
        return RedirectResponse(address(request, "review", {"said": "Taken back"}, review=numbers[0]), 303)
    return RedirectResponse(address(request, "reviews", {"said": f"{len(numbers)} answers taken back"}), 303)


def _take_back(number: int, user: str) -> None:
    catalog = stores.catalog()
    shot = catalog.review(number).shot
    with catalog.begin() as session:
        published = decisions.undo(session, number, user)
        if published is not None:  # within the transaction: if the bucket refuses, the answer stands
            remove_published(stores.objects(), shot)
    if published is not None:
        write_current(catalog, stores.objects(), [shot.campaign])


@router.post("/reviews/bulk", name="bulk")
def bulk(
    request: Request,
    user: DecidingUser,
    wanted: ReviewQuery,
    decision: Annotated[Decision, Form()],
    ids: Ids,
    reason: Annotated[str, Form()] = "",
    note: Note = "",
) -> Response:
    """Answer several reviews alike; those that somebody answered meanwhile are left as they are."""
    why, done, late = _why(decision, reason, note), [], 0
    for number in ids:
        try:
            with stores.catalog().begin() as session:
                decisions.decide(session, number, decision, user, why)
            done.append(number)
        except (AlreadyDecided, RowMissing):
            late += 1
    _announce(decision, user, done)
    said = f"{len(done)} {_PAST[decision]}" + (f"; {late} had been answered already" if late else "")
    query = {**query_of(wanted), "done": ",".join(map(str, done)), "said": said}
    return RedirectResponse(address(request, "reviews", query), 303)


@router.post("/reviews/{review}", name="decide")
def decide(
    request: Request,
    review: Id,
    user: DecidingUser,
    wanted: ReviewQuery,
    decision: Annotated[Decision, Form()],
    reason: Annotated[str, Form()] = "",
    note: Note = "",
    words: Annotated[Writable, Form(max_length=MAX_WORDS)] = "",
    guidance: Annotated[str, Form()] = "",
    face_strength: Annotated[str, Form()] = "",
    product_strength: Annotated[str, Form()] = "",
    environment_strength: Annotated[str, Form()] = "",
) -> Response:
    """Record the answer and go on to the next review of the search."""
    why = _why(decision, reason, note)
    sliders = {
        "guidance": guidance,
        "face_strength": face_strength,
        "product_strength": product_strength,
        "environment_strength": environment_strength,
    }
    with stores.catalog().begin() as session:
        beside = search.neighbours(session, wanted, review)
        decisions.decide(session, review, decision, user, why, RetakeChanges(words, numbers(sliders)))
    _announce(decision, user, [review])
    goal = beside.after or beside.before
    query = {**query_of(wanted), "done": review, "said": _PAST[decision].capitalize()}
    if goal is None:
        return RedirectResponse(address(request, "reviews", query), 303)
    return RedirectResponse(address(request, "review", query, review=goal), 303)


_PAST = {Decision.APPROVE: "approved", Decision.REJECT: "rejected", Decision.RETAKE: "sent back for another take"}


def _why(decision: Decision, reason: str, note: str) -> str:
    if reason and reason not in REASONS:
        raise HTTPException(422, f"reason {reason!r} is not one of {', '.join(REASONS)}")
    given = "" if decision is Decision.APPROVE else reason
    return "; ".join(part for part in (given, note.strip()) if part)


def numbers(sliders: Mapping[str, str]) -> dict[str, float]:
    """The sliders that were moved.

    Raises:
        NotAllowed: one that is not a number.
    """
    try:
        return {name: float(value) for name, value in sliders.items() if value.strip()}
    except ValueError as error:
        raise NotAllowed(f"a strength is not a number: {error}") from error


def _announce(decision: Decision, user: str, ids: Sequence[int]) -> None:
    about: dict[str, Any] = {"reviews": list(ids), "by": user}
    if ids and decision is Decision.APPROVE:
        announce(APPROVALS, about)
    if ids and decision is Decision.RETAKE:
        announce(RETAKES, about)
