"""Reports: what a run made and why pictures are missing, as a page and as files in the bucket."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from brief.types import ImageRef, Verdict
from pipeline.report import as_json, put_report
from storage.bucket.objects import Objects
from storage.catalog import report, runs
from storage.catalog.catalog import Catalog
from storage.catalog.records import StageOutput
from storage.catalog.report import cause_of
from storage.catalog.runs import RunKey
from storage.catalog.tables import ShotRow, ShotState
from tests.plugins.conftest import as_role
from tests.storage.samples import planned, scored

RUN = RunKey("catalog", "nightly")
DAMAGED = "compose: 'catalog/packshots/{0}.png' is damaged (SHA-256 {1} instead of 1ab363e57901, in bucket 'b' at "
DAMAGED += "http://127.0.0.1:8333); restore it, or delete it and import its row again"


@pytest.fixture
def run(catalog: Catalog) -> list[str]:
    """Keys of the shots of a run: one doubtful, two that failed of the same, one that is still to be made."""
    shots = planned(catalog, ("MUG-1", "MUG-2", "MUG-3", "MUG-4"))
    keys = [shot.key for shot in shots]
    with catalog.begin() as session:
        runs.record_run(session, RUN, {"campaign": "autumn"}, {"thresholds": {"product": {"accept": 0.6}}}, [keys])
    take, _ = scored(catalog, shots[0], value=0.55, verdict=Verdict.REVIEW)
    catalog.record_output(take, "refine", StageOutput(ImageRef("takes/x.png", "0" * 64), 12.5))
    catalog.open_review(shots[0].key, take.key, ["product 0.55 is below 0.60: the product is not itself"])
    for shot, digest in zip(shots[1:3], ("aa" * 16, "bb" * 16), strict=True):
        catalog.record_failure(shot.key, "compose", DAMAGED.format(digest, digest[:12]).removeprefix("compose: "))
    return keys


def test_failures_of_one_cause_stand_together_and_are_tried_again(
    pages: TestClient, run: list[str], catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gallery_web import reporting

    started: list[tuple[str, str]] = []
    monkeypatch.setattr(reporting, "start_campaign", lambda *about: started.append(about))
    page = pages.get("/gallery/run/catalog/nightly/report").text
    assert page.count("Try these again") == 1
    assert "MUG-2 in beach" in page
    assert "compose: the packshot is damaged; restore it, or delete it and import its row again" in page
    assert "product: the product is not itself" in page
    failed = next(number for number, each in enumerate(_report(catalog).causes) if each.state is ShotState.FAILED)
    assert pages.post("/gallery/run/catalog/nightly/again", data={"cause": failed}).status_code == 303
    assert catalog.states(run[1:3]) == dict.fromkeys(run[1:3], ShotState.PLANNED)
    assert started == [("autumn", "the-admin")]
    viewer = as_role("VIEWER")
    assert "Try these again" not in pages.get("/gallery/run/catalog/nightly/report", headers=viewer).text
    assert pages.post("/gallery/run/catalog/nightly/again", data={"cause": 0}, headers=viewer).status_code == 403


def test_the_report_in_the_bucket_says_the_same_as_the_page(run: list[str], catalog: Catalog, objects: Objects) -> None:
    found = _report(catalog)
    html, data = put_report(objects, RUN, found, 7.2)
    said: dict[str, Any] = json.loads(objects.get(data))
    assert said == as_json(found, 7.2)
    assert said["states"]["failed"] == 2
    assert said["takes"] == 1
    assert said["cost"]["refine"] == pytest.approx(12.5 / 3600 * 7.2)
    page = objects.get(html).decode()
    assert "<svg" in page
    assert "href" not in page  # it stands alone: nothing in it leads to a server that may not be there
    assert f"<b>{len(run)}</b>shots" in page


def test_a_summary_that_is_made_again_writes_its_report_again(
    run: list[str], catalog: Catalog, objects: Objects
) -> None:
    """A run's task is cleared, or its summary is tried again: the report then says how it stands now."""
    put_report(objects, RUN, _report(catalog), None)
    with catalog.begin() as session:
        session.execute(update(ShotRow).values(state=ShotState.PUBLISHED))
    _, data = put_report(objects, RUN, _report(catalog), None)
    assert json.loads(objects.get(data))["states"]["published"] == len(run)


def test_a_campaign_s_machine_time_is_that_of_its_takes(run: list[str], catalog: Catalog) -> None:
    """An output that is made again counts as its last attempt did, as in the report by stage."""
    (take,) = catalog.takes(run[:1])[run[0]]
    catalog.record_output(take.take, "refine", StageOutput(ImageRef("takes/x.png", "0" * 64), 4.0))
    with catalog.begin() as session:
        (numbers,) = report.campaign_numbers(session)
        by_stage = report.campaign_report(session, "autumn").seconds
    assert numbers.seconds == pytest.approx(2.5 + 4.0 + 0.5)
    assert by_stage == {"face": 0.0, "compose": 2.5, "refine": 4.0, "score": 0.5}


def test_campaigns_are_counted_and_each_has_its_report(pages: TestClient, run: list[str]) -> None:
    overview = pages.get("/gallery/campaigns").text
    assert 'href="/gallery/campaigns/autumn"' in overview
    assert "state=failed" in overview
    assert f"<b>{len(run)}</b>shots" in pages.get("/gallery/campaigns/autumn").text
    assert pages.get("/gallery/campaigns/nonsense").status_code == 404
    assert "/gallery/run/catalog/nightly/report" in pages.get("/gallery/runs").text


def test_a_campaign_is_paused_resumed_and_ended_by_who_may_start_runs(
    pages: TestClient, run: list[str], catalog: Catalog
) -> None:
    way = "/gallery/campaigns/autumn"
    assert pages.post(way, data={"state": "paused"}, headers=as_role("VIEWER")).status_code == 403
    assert pages.post(way, data={"state": "nonsense"}).status_code == 422
    assert pages.post(way, data={"state": "paused"}).status_code == 303
    assert "Resume" in pages.get(way).text
    assert catalog.states(run[3:]) == {run[3]: ShotState.PLANNED}
    assert pages.post(way, data={"state": "archived", "why": "season is over"}).status_code == 303
    assert catalog.states(run[3:]) == {run[3]: ShotState.SUPERSEDED}
    assert "autumn" not in pages.get("/gallery/campaigns").text
    assert 'href="/gallery/campaigns/autumn"' in pages.get("/gallery/campaigns?archived=true").text
    assert "season is over" in pages.get("/gallery/audit?action=archived").text


def test_what_hardly_ever_succeeds_is_warned_of(catalog: Catalog) -> None:
    shots = planned(catalog, tuple(f"MUG-{number}" for number in range(10)))
    with catalog.begin() as session:
        runs.record_run(session, RUN, {}, {}, [[shot.key for shot in shots]])
        session.execute(update(ShotRow).values(state=ShotState.REVIEW))
        session.execute(update(ShotRow).where(ShotRow.key == shots[0].key).values(state=ShotState.PUBLISHED))
    assert "environment beach: 1 of 10 accepted" in _report(catalog).warnings
    with catalog.begin() as session:
        assert report.warnings_of(session, ["autumn"]) == _report(catalog).warnings
        session.execute(update(ShotRow).values(state=ShotState.PUBLISHED))
    assert _report(catalog).warnings == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (DAMAGED.format("aa" * 32, "aa" * 6), DAMAGED.format("bb" * 32, "bb" * 6)),
        ("identity 0.74 is below 0.75: the face differs", "identity 0.2 is below 0.81: the face differs"),
        ("rejected by ada: face is wrong", "rejected by bob: face is wrong"),
    ],
)
def test_reasons_that_differ_in_names_and_numbers_are_one_cause(one: str, other: str) -> None:
    assert cause_of(one) == cause_of(other)
    assert cause_of(one) != cause_of("no take of it was scored")


def test_a_doubtful_picture_may_have_several_causes() -> None:
    assert cause_of("a 0.1 is below 0.2: dull; b 0.3 is below 0.4: soft") == ("a: dull", "b: soft")


def _report(catalog: Catalog) -> report.Report:
    with catalog.begin() as session:
        found = report.run_report(session, RUN)
    assert found is not None
    return found
