"""Changing what becomes of a shot: another take, back from what is published, a packshot that is good after all."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from gallery_web import looks, stores
from gallery_web.access import CanDecide, DecidingUser
from gallery_web.asked import Name, ShotKey, Writable, known_key
from gallery_web.events import announce
from gallery_web.render import address, page
from gallery_web.reviewing import MAX_NOTE, MAX_WORDS, numbers
from pipeline import casting
from pipeline.airflow_assets import RETAKES
from pipeline.current import withdraw
from storage.catalog import decisions
from storage.catalog.decisions import RetakeChanges
from storage.catalog.errors import RowMissing

router = APIRouter()

MOST_PACKSHOTS = 100
"""On one page; those that are approved make room."""
Why = Annotated[Writable, Form(min_length=1, max_length=MAX_NOTE)]


@router.get("/packshots", name="packshots")
def packshots(request: Request, may_decide: CanDecide) -> Response:
    """Packshots that their import found doubtful, beside what was cut out of them."""
    shown = [(each, looks.cutout_of(each)) for each in stores.catalog().doubtful_packshots()]
    return page(request, "packshots.html", products=shown[:MOST_PACKSHOTS], total=len(shown), may_decide=may_decide)


@router.post("/packshots", name="approve_packshot")
def approve_packshot(request: Request, user: DecidingUser, sku: Annotated[Writable, Form(min_length=1)]) -> Response:
    """A person says that a packshot is good as it is: the next run makes the product's pictures."""
    stores.catalog().approve_packshot(sku, user)
    return RedirectResponse(address(request, "packshots"), 303)


@router.get("/personas/{name}", name="persona")
def persona(request: Request, name: Name, may_decide: CanDecide) -> Response:
    """A persona's portrait beside the candidates that it was chosen from."""
    known = stores.catalog().personas()
    if name not in known:
        raise RowMissing(f"persona {name!r} is not in the catalog")
    found = casting.candidates(stores.run(), name)
    portrait = looks.portrait_key_of(known[name])
    return page(
        request, "persona.html", persona=known[name], portrait=portrait, candidates=found, may_decide=may_decide
    )


@router.post("/personas/{name}", name="choose_portrait")
def choose(request: Request, name: Name, user: DecidingUser, candidate: Annotated[Writable, Form()]) -> Response:
    """Take another candidate for the portrait: the persona's shots are planned again."""
    try:
        casting.choose(stores.run(), name, candidate, user)
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
    return RedirectResponse(address(request, "persona", name=name), 303)


@router.post("/shot/{key}/withdraw", name="withdraw")
def withdraw_shot(request: Request, key: ShotKey, user: DecidingUser, why: Why) -> Response:
    """Take a published picture out of the bucket; its take is turned down for good."""
    withdraw(stores.catalog(), stores.objects(), known_key(key), user, why)
    return RedirectResponse(address(request, "shot", key=key), 303)


@router.post("/shot/{key}/retake", name="retake")
def retake(
    request: Request,
    key: ShotKey,
    user: DecidingUser,
    why: Why,
    words: Annotated[Writable, Form(max_length=MAX_WORDS)] = "",
    guidance: Annotated[str, Form()] = "",
    face_strength: Annotated[str, Form()] = "",
    product_strength: Annotated[str, Form()] = "",
    environment_strength: Annotated[str, Form()] = "",
) -> Response:
    """Ask for another take; what is published is withdrawn."""
    sliders = {
        "guidance": guidance,
        "face_strength": face_strength,
        "product_strength": product_strength,
        "environment_strength": environment_strength,
    }
    steering = RetakeChanges(words, numbers(sliders))
    catalog = stores.catalog()
    if catalog.history(known_key(key)).record.publication:
        withdraw(catalog, stores.objects(), key, user, why)
    with catalog.begin() as session:
        decisions.ask_for_retake(session, key, user, why, steering)
    announce(RETAKES, {"shot": key, "by": user})
    return RedirectResponse(address(request, "shot", key=key), 303)
