"""Looking: the contact sheet, a run's pictures, one shot with its history, the cast."""

from __future__ import annotations

import json
from dataclasses import astuple, replace
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response

from brief.prompts import describe_face
from gallery_web import presentation, stores
from gallery_web.access import CanDecide, CanStart
from gallery_web.presentation import MAPS
from gallery_web.query_params import Name, ShotKey, ShotQuery, Text, known_key, query_of
from gallery_web.render import page
from pipeline.judge import best_take
from storage.catalog import decisions, runs, search
from storage.catalog.runs import RunKey, RunRecord
from storage.catalog.search import COUNTED, Order
from storage.catalog.shots import UNFINISHED
from storage.catalog.tables import ShotState

PER_PAGE = 48

router = APIRouter()


@router.get("/", name="sheet")
def sheet(request: Request, wanted: ShotQuery, may_decide: CanDecide, after: Text = "") -> Response:
    """The pictures, latest first, by words, campaign, state and more."""
    catalog = stores.catalog()
    with catalog.begin() as session:
        found = search.find(session, wanted, after=after, limit=PER_PAGE)
    return page(
        request,
        "sheet.html",
        wanted=wanted,
        asked=query_of(wanted),
        found=found,
        counted=COUNTED,
        first=not after,
        shots=[(record, presentation.shown(record)) for record in found.shots],
        totals=catalog.totals(wanted.shown.campaign or None),
        choices=presentation.choices(catalog),
        states=[each.value for each in ShotState],
        orders=[each.value for each in Order],
        may_decide=may_decide,
    )


@router.get("/run/{dag_id}/{run_id}", name="run")
def run(request: Request, dag_id: Name, run_id: Name, wanted: ShotQuery, after: Text = "") -> Response:
    """The pictures of one run with its progress; for the tab of a DAG run."""
    key = RunKey(dag_id, run_id)
    wanted = replace(wanted, run=key)
    with stores.catalog().begin() as session:
        record, totals = runs.run(session, key), runs.run_totals(session, key)
        found = search.find(session, wanted, after=after, limit=PER_PAGE)
    left = sum(totals[state] for state in UNFINISHED)
    return page(
        request,
        "run.html",
        key=key,
        record=record,
        totals=totals,
        total=sum(totals.values()),
        left=left,
        seconds_left=_seconds_left(record, sum(totals.values()) - left, left),
        asked=query_of(wanted),
        found=found,
        shots=[(each, presentation.shown(each)) for each in found.shots],
    )


def _seconds_left(record: RunRecord | None, done: int, left: int) -> float | None:
    """By the pace so far; unknown before the first shot is done."""
    if record is None or record.ended_at is not None or not done or not left:
        return None
    return (datetime.now(UTC) - record.started_at).total_seconds() / done * left


@router.get("/shot/{key}", name="shot")
def shot(
    request: Request, key: ShotKey, wanted: ShotQuery, may_decide: CanDecide, may_start: CanStart, said: Text = ""
) -> Response:
    """One shot: picture, words, seed, scores, every take, reviews, manifest."""
    history = stores.catalog().history(known_key(key))
    published = history.record.publication
    manifest = json.loads(stores.objects().get(*astuple(published.manifest))) if published else None
    shown, best = history.record.shot, best_take(history.takes)
    limits = presentation.limits_of(shown, presentation.bundle_limits())
    references = presentation.references(shown, best.take if best else None)
    with stores.catalog().begin() as session:
        its_runs = runs.runs_of(session, key)
        before, after = search.beside(session, wanted, key)
    return page(
        request,
        "shot.html",
        record=history.record,
        shot=shown,
        asked=query_of(wanted),
        before=before,
        after=after,
        picture=presentation.shown(history.record),
        references=references,
        may_ask_for_maps=may_start and best is not None and all(each.kind != MAPS for each in references),
        takes=[(take, presentation.picture_of(take), presentation.scores(take, limits)) for take in history.takes],
        reviews=history.reviews,
        runs=its_runs,
        manifest=json.dumps(manifest, indent=2, ensure_ascii=False) if manifest else None,
        may_decide=may_decide,
        sliders=decisions.LIMITS,
        said=said,
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
