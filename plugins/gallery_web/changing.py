"""Changing what became of a shot: another take, or back from what is published."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from gallery_web import stores
from gallery_web.access import DecidingUser
from gallery_web.asked import ShotKey, Writable, known_key
from gallery_web.events import announce
from gallery_web.render import address
from gallery_web.reviewing import MAX_NOTE, MAX_WORDS, numbers
from pipeline.airflow_assets import RETAKES
from pipeline.withdraw import withdraw
from storage.catalog import decisions
from storage.catalog.decisions import Steering

router = APIRouter()

Why = Annotated[Writable, Form(min_length=1, max_length=MAX_NOTE)]


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
    steering = Steering(words, numbers(sliders))
    catalog = stores.catalog()
    if catalog.history(known_key(key)).record.publication:
        withdraw(catalog, stores.objects(), key, user, why)
    with catalog.begin() as session:
        decisions.ask_for_retake(session, key, user, why, steering)
    announce(RETAKES, {"shot": key, "by": user})
    return RedirectResponse(address(request, "shot", key=key), 303)
