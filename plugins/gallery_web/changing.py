"""Changing what becomes of a shot: another take, back from what is published, a packshot that is good after all; and
retiring what nothing more is made of."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Literal

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from gallery_web import presentation, stores
from gallery_web.access import CanDecide, CanStart, DecidingUser, StartingUser
from gallery_web.events import announce, start_heat_maps
from gallery_web.query_params import Name, ShotKey, Writable, known_key
from gallery_web.render import address, page
from gallery_web.reviewing import MAX_NOTE, MAX_WORDS, numbers
from pipeline import casting
from pipeline.airflow_assets import RETAKES
from pipeline.current import withdraw
from storage.catalog import decisions, gallery, retiring
from storage.catalog.decisions import NotAllowed, RetakeChanges
from storage.catalog.errors import RowMissing

router = APIRouter()

MOST_PACKSHOTS = 100
"""On one page; those that are approved make room."""
MOST_TAKE_DOWNS = 200
"""On one page; those that are withdrawn make room."""
KINDS = {kind.__name__.lower(): kind for kind in retiring.KINDS}
"""What can be retired, by its word in a form."""
Kind = Annotated[Literal["product", "environment", "persona"], Form()]
Why = Annotated[Writable, Form(min_length=1, max_length=MAX_NOTE)]


@router.get("/packshots", name="packshots")
def packshots(request: Request, may_decide: CanDecide) -> Response:
    """Packshots that their import found doubtful, beside what was cut out of them."""
    shown = [(each, presentation.cutout_of(each)) for each in stores.catalog().doubtful_packshots()]
    return page(request, "packshots.html", products=shown[:MOST_PACKSHOTS], total=len(shown), may_decide=may_decide)


@router.post("/packshots", name="approve_packshot")
def approve_packshot(request: Request, user: DecidingUser, sku: Annotated[Writable, Form(min_length=1)]) -> Response:
    """A person says that a packshot is good as it is: the next run makes the product's pictures."""
    stores.catalog().approve_packshot(sku, user)
    return RedirectResponse(address(request, "packshots"), 303)


@router.get("/retired", name="retired")
def retired(request: Request, may_decide: CanDecide, may_start: CanStart) -> Response:
    """What nothing more is made of, and what is still published of it or of shots that a newer plan replaced."""
    catalog = stores.catalog()
    retired = [(word, name) for word, kind in KINDS.items() for name in sorted(catalog.retired(kind))]
    with catalog.begin() as session:
        found = retiring.take_downs(session, MOST_TAKE_DOWNS + 1)
        records = {each.shot.key: each for each in gallery.shot_records(session, [each.shot_key for each in found])}
    shown = [(each, records[each.shot_key]) for each in found[:MOST_TAKE_DOWNS]]
    return page(
        request,
        "retired.html",
        retired=retired,
        kinds=list(KINDS),
        take_downs=[(each.why, record, presentation.shown(record)) for each, record in shown],
        more=len(found) > MOST_TAKE_DOWNS,
        may_decide=may_decide,
        may_start=may_start,
    )


@router.post("/retired", name="retire")
def retire(
    request: Request,
    user: StartingUser,
    kind: Kind,
    name: Annotated[Writable, Form(min_length=1)],
    why: Annotated[Writable, Form(max_length=MAX_NOTE)] = "",
) -> Response:
    """Make nothing more of a product, in an environment or with a persona."""
    with stores.catalog().begin() as session:
        retiring.retire(session, KINDS[kind], name.strip(), user, why)
    return RedirectResponse(address(request, "retired"), 303)


@router.post("/retired/restore", name="restore")
def restore(
    request: Request, user: StartingUser, kind: Kind, name: Annotated[Writable, Form(min_length=1)]
) -> Response:
    """Use what was retired again."""
    with stores.catalog().begin() as session:
        retiring.restore(session, KINDS[kind], name, user)
    return RedirectResponse(address(request, "retired"), 303)


@router.post("/retired/withdraw", name="take_down")
def take_down(
    request: Request, user: DecidingUser, why: Why, shot: Annotated[list[Writable], Form(max_length=MOST_TAKE_DOWNS)]
) -> Response:
    """Withdraw chosen pictures; those that somebody else withdrew meanwhile are left as they are."""
    for key in shot:
        with suppress(NotAllowed):
            withdraw(stores.catalog(), stores.objects(), known_key(key), user, why)
    return RedirectResponse(address(request, "retired"), 303)


@router.get("/personas/{name}", name="persona")
def persona(request: Request, name: Name, may_decide: CanDecide) -> Response:
    """A persona's portrait beside the candidates that it was chosen from."""
    known = stores.catalog().personas()
    if name not in known:
        raise RowMissing(f"persona {name!r} is not in the catalog")
    found = casting.candidates(stores.run(), name)
    portrait = presentation.portrait_key_of(known[name])
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


@router.post("/shot/{key}/heat-maps", name="heat_maps")
def heat_maps(request: Request, key: ShotKey, user: StartingUser) -> Response:
    """Have a shot's best take drawn once more and watched: which adapter drew what."""
    stores.catalog().history(known_key(key))
    start_heat_maps(key, user)
    said = "Heat maps are on their way: they appear under Made from when the DAG heat_maps is done"
    return RedirectResponse(address(request, "shot", {"said": said}, key=key), 303)


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
