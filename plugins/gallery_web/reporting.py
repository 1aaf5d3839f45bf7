"""Numbers: the latest runs, the report of each, the campaigns and where they stand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse

from gallery_web import stores
from gallery_web.access import CanStart, StartingUser
from gallery_web.events import start_campaign
from gallery_web.query_params import MOST_ID, MOST_TEXT, Name, Writable
from gallery_web.render import address, page
from pipeline.report import STYLE, as_json
from storage.catalog import decisions, report, retiring
from storage.catalog.errors import RowMissing
from storage.catalog.report import Report
from storage.catalog.runs import RunKey
from storage.catalog.tables import CampaignState

LATEST = 50
"""Runs in the list."""

CHANGES = {
    CampaignState.ACTIVE: ("Resume", "Its outstanding shots are made by the next nightly run."),
    CampaignState.PAUSED: ("Pause", "Nightly runs leave it out; what is asked for by name is made."),
    CampaignState.ENDED: ("End", "Nothing more of it is made; what is published stays."),
    CampaignState.ARCHIVED: ("Archive", "Ended, and left out of lists."),
}
"""What a button says, and what it does."""

router = APIRouter()


@router.get("/runs", name="run_list")
def run_list(request: Request) -> Response:
    """The latest runs with what became of their shots."""
    with stores.catalog().begin() as session:
        found = report.run_numbers(session, LATEST)
    return page(request, "runs.html", runs=found)


@router.get("/run/{dag_id}/{run_id}/report", name="report")
def run_report(request: Request, dag_id: Name, run_id: Name, may_start: CanStart) -> Response:
    """The report of a run, as it stands now."""
    key = RunKey(dag_id, run_id)
    return page(
        request, "report_of_run.html", key=key, report=_of_run(key), hour_price=stores.hour_price(), may_start=may_start
    )


@router.get("/run/{dag_id}/{run_id}/report.json", name="report_json")
def run_report_json(dag_id: Name, run_id: Name) -> Response:
    """The same for programs."""
    found = _of_run(RunKey(dag_id, run_id))
    if found is None:
        raise HTTPException(404, f"run {run_id!r} of DAG {dag_id!r} has planned nothing")
    return JSONResponse(as_json(found, stores.hour_price()))


def _of_run(key: RunKey) -> Report | None:
    with stores.catalog().begin() as session:
        return report.run_report(session, key)


@router.post("/run/{dag_id}/{run_id}/again", name="again")
def again(
    request: Request,
    dag_id: Name,
    run_id: Name,
    user: StartingUser,
    cause: Annotated[int, Form(ge=0, le=MOST_ID)],
) -> Response:
    """Try the shots again that failed of one cause: they are planned again, and their campaigns are started."""
    found = _of_run(RunKey(dag_id, run_id))
    if found is None or cause >= len(found.causes):
        raise HTTPException(404, "what failed so is not in the report any more; look at it again")
    _try_again(found.causes[cause], user)
    return RedirectResponse(address(request, "report", dag_id=dag_id, run_id=run_id), 303)


def _try_again(cause: report.Cause, user: str) -> None:
    with stores.catalog().begin() as session:
        campaigns = decisions.try_again(session, [each.shot for each in cause.shots], user, cause.cause)
    for campaign in campaigns:
        start_campaign(campaign, user)


@router.get("/campaigns", name="campaigns")
def campaigns(request: Request, may_start: CanStart, archived: bool = False) -> Response:
    """Every campaign: made, waiting, failed, machine time so far."""
    with stores.catalog().begin() as session:
        found = report.campaign_numbers(session, archived=archived)
    return page(
        request,
        "campaigns.html",
        campaigns=found,
        archived=archived,
        hour_price=stores.hour_price(),
        may_start=may_start,
    )


@router.get("/campaigns/{name}", name="campaign")
def campaign(request: Request, name: Name, may_start: CanStart) -> Response:
    """One campaign's report, over all its runs."""
    with stores.catalog().begin() as session:
        numbers = {each.name: each for each in report.campaign_numbers(session, archived=True)}
        if name not in numbers:
            raise RowMissing(f"campaign {name!r} is not in the catalog")
        found = report.campaign_report(session, name)
    return page(
        request,
        "campaign.html",
        campaign=numbers[name],
        report=found,
        hour_price=stores.hour_price(),
        may_start=may_start,
        changes=CHANGES,
    )


@router.post("/campaigns/{name}", name="change_campaign")
def change_campaign(
    request: Request,
    name: Name,
    user: StartingUser,
    state: Annotated[CampaignState, Form()],
    why: Annotated[Writable, Form(max_length=MOST_TEXT)] = "",
) -> Response:
    """Pause, end, archive or resume a campaign."""
    with stores.catalog().begin() as session:
        retiring.set_campaign_state(session, name, state, user, why)
    return RedirectResponse(address(request, "campaign", name=name), 303)


@router.post("/campaigns/{name}/start", name="start_campaign")
def start(request: Request, name: Name, user: StartingUser) -> Response:
    """Make what the campaign lacks now, instead of in the night."""
    start_campaign(name, user)
    return RedirectResponse(address(request, "run_list"), 303)


@router.get("/report.css", name="report_style")
def style() -> Response:
    """How a report's parts look: the same here as in the page that lies in the bucket."""
    return FileResponse(STYLE, media_type="text/css")
