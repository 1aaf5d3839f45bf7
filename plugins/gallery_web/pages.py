"""Looking: the contact sheet, one shot with its history, the cast."""

from __future__ import annotations

import json
from dataclasses import astuple
from typing import Literal

from fastapi import APIRouter, Request, Response

from brief.prompts import describe_face
from brief.types import Persona
from gallery_web import stores
from gallery_web.asked import Name, Page, ShotKey, Text, known_key
from gallery_web.render import page
from storage.bucket import keys as object_keys
from storage.catalog.gallery import ShotFilter
from storage.catalog.records import ShotRecord, TakeRecord
from storage.catalog.runs import RunKey
from storage.catalog.tables import ShotState

PER_PAGE = 48

router = APIRouter()


@router.get("/", name="sheet")
def sheet(
    request: Request,
    campaign: Text = "",
    state: ShotState | Literal[""] = "",
    sku: Text = "",
    environment: Text = "",
    persona: Text = "",
    run: Text = "",
    dag: Text = "",
    number: Page = 1,
) -> Response:
    """The pictures, latest first, by campaign, state and more."""
    asked = {
        "campaign": campaign,
        "state": str(state),
        "sku": sku,
        "environment": environment,
        "persona": persona,
        "run": run,
        "dag": dag,
    }
    wanted = ShotFilter(
        campaign=campaign or None,
        sku=sku or None,
        environment=environment or None,
        persona=persona or None,
        state=state or None,
        run=RunKey(dag, run) if run else None,
    )
    found = (catalog := stores.catalog()).find_shots(wanted, offset=(number - 1) * PER_PAGE, limit=PER_PAGE)
    return page(
        request,
        "sheet.html",
        asked=asked,
        shots=[(record, shown(record)) for record in found.shots],
        total=found.total,
        number=number,
        last=max(1, -(-found.total // PER_PAGE)),
        totals=catalog.totals(campaign or None),
        campaigns=[each.name for each in catalog.campaigns()],
        states=[each.value for each in ShotState],
    )


@router.get("/run/{dag_id}/{run_id}", name="run")
def run(request: Request, dag_id: Name, run_id: Name) -> Response:
    """The pictures of one run; for the tab of a DAG run."""
    return sheet(request, run=run_id, dag=dag_id)


@router.get("/shot/{key}", name="shot")
def shot(request: Request, key: ShotKey) -> Response:
    """One shot: picture, words, seed, scores, every take, reviews, manifest."""
    history = stores.catalog().history(known_key(key))
    published = history.record.publication
    manifest = json.loads(stores.objects().get(*astuple(published.manifest))) if published else None
    return page(
        request,
        "shot.html",
        record=history.record,
        shot=history.record.shot,
        picture=shown(history.record),
        takes=[(take, picture_of(take)) for take in history.takes],
        reviews=history.reviews,
        portrait=portrait_of(history.record.shot.persona, history.record.shot.portrait_key),
        manifest=json.dumps(manifest, indent=2, ensure_ascii=False) if manifest else None,
    )


@router.get("/personas", name="personas")
def personas(request: Request) -> Response:
    """The cast: each persona's portrait and chosen features."""
    catalog = stores.catalog()
    people, portraits = sorted(catalog.personas().values(), key=lambda persona: persona.name), catalog.portraits()
    cast = [
        (each, portraits[each.name].key if each.name in portraits else None, describe_face(each.face))
        for each in people
    ]
    return page(request, "personas.html", cast=cast)


def shown(record: ShotRecord) -> str | None:
    """Key of the picture that stands for a shot: the published one, else what its latest take has."""
    if record.publication:
        return record.publication.master.key
    return picture_of(record.take) if record.take else None


def picture_of(take: TakeRecord) -> str | None:
    """Key of a take's best picture."""
    image = take.refined or take.composed
    return image.key if image else None


def portrait_of(persona: Persona | None, key: str | None) -> str | None:
    """Object key of a persona's portrait."""
    if persona is not None and persona.portrait is not None:
        return persona.portrait.key
    return object_keys.portrait(key) if key else None
