"""The whole chain on real servers: PostgreSQL, S3, Airflow and the generation service with a stand-in bundle."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx
import psutil
import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect
from rich.console import Console
from sqlalchemy import select, update

from embedded.airflow import ENDED, AirflowApi
from embedded.demo import SKU as DAMAGED
from embedded.demo import make_contact_sheet, plant_bad_row
from embedded.home import ADMIN, PROJECT, REVIEWER, Home, Ports, open_catalog, open_home, open_objects
from embedded.parts import parts
from embedded.run_catalog import DAG, RunOutcome, run_catalog
from embedded.servers import start
from embedded.supervision import states, stop
from storage.bucket.objects import Objects
from storage.catalog import runs
from storage.catalog.catalog import Catalog
from storage.catalog.gallery import ShotFilter
from storage.catalog.runs import RunKey
from storage.catalog.tables import CampaignRow, ProductRow, ShotState
from storage.importing.import_catalog import import_catalog
from tests.embedded.browser import LAPTOP, PHONE, chromium, pages_of, signed_in, within_reach
from tests.embedded.tiny_catalog import CAMPAIGN, DOUBTFUL, add_doubtful_campaign, write_tiny_catalog
from tests.embedded.unauthenticated import let_in, listening_sockets

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
BASE = Ports(18080, 18433, 18500, 15433, 19801, 19433, 18480, 18988, 19746)
"""Far from those of a demo."""


STRANGERS_PATHS = (
    *("/", "/metrics", "/status", "/docs", "/openapi.json", "/debug/pprof/", "/ui/index.html", "/stats/disk"),
    *("/cluster/status", "/dir/assign", "/dir/status", "/vol/status", "/submit", "/buckets/", "/lookbook/?list-type=2"),
    *("/RPC2", "/logtail/service", "/v1/bundle", "/v1/jobs/none", "/v1/jobs"),
    *("/api/v2/dags", "/api/v2/connections", "/api/v2/pools", "/gallery/", "/gallery/reviews", "/execution/health"),
)
"""What a stranger would try, at every port."""
ANSWERED = {
    "airflow": {"/docs", "/openapi.json", "/execution/health"},
    "s3": {"/status"},
}
"""What is answered to anybody, by whatever method: Airflow's API's description, and that the S3 server runs."""


@dataclass(frozen=True, slots=True)
class Rig:
    """A running set-up after its first run."""

    home: Home
    catalog: Catalog
    objects: Objects
    folder: Path
    first: RunOutcome


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Rig]:
    root = tmp_path_factory.mktemp("e2e") / "a home with 100% spaces"
    root.mkdir(mode=0o700)
    (root / "ports.json").write_text(json.dumps(asdict(BASE)))
    home = open_home(root)
    patch = pytest.MonkeyPatch()
    request.addfinalizer(patch.undo)
    patch.setenv("LOOKBOOK_BUNDLE", str(root / "bundle"))  # the small stand-in
    try:
        home = start(home, print)
        catalog, objects = open_catalog(home), open_objects(home)
        request.addfinalizer(catalog.engine.dispose)
        folder = write_tiny_catalog(root.parent / "catalog")
        assert import_catalog(folder, catalog, objects).bad == []
        plant_bad_row(catalog, objects)
        first = run_catalog(home, catalog, Console())
        approve(home, catalog)
        yield Rig(home, catalog, objects, folder, first)
    finally:
        stop(home)
    assert processes_of(home) == []


def approve(home: Home, catalog: Catalog) -> None:
    """Say yes to all that waits, since nothing of a stand-in is accepted by itself, and see it published."""
    for review in catalog.reviews():
        catalog.decide(review.id, "approve", "ann")
    with AirflowApi(home) as airflow:
        airflow.trigger("publish_approved")
        until(lambda: not catalog.approved_unpublished(), "what is approved is published")


def processes_of(home: Home) -> list[psutil.Process]:
    """Whatever has a file of the home open or is run from it."""
    return [each for each in psutil.process_iter(["cmdline"]) if str(home.root) in " ".join(each.info["cmdline"] or [])]


def test_each_good_row_is_published_once_a_person_approves_and_the_bad_one_fails_with_its_reason(rig: Rig) -> None:
    assert rig.first.made == 4
    assert (rig.first.after[ShotState.REVIEW], rig.first.after[ShotState.FAILED]) == (2, 2)
    assert sum(rig.first.after.values()) == 4
    assert rig.catalog.totals(CAMPAIGN)[ShotState.PUBLISHED] == 2
    for failed in rig.catalog.find_shots(ShotFilter(state=ShotState.FAILED)).shots:
        assert failed.shot.product.sku == DAMAGED
        assert "packshots/" in (failed.reason or "")


def test_what_is_published_is_in_the_bucket_with_its_history(rig: Rig) -> None:
    for record in rig.catalog.find_shots(ShotFilter(state=ShotState.PUBLISHED)).shots:
        assert record.publication is not None
        for ref in (record.publication.master, *record.publication.renditions.values()):
            assert rig.objects.get(ref.key, ref.sha256)
        manifest = json.loads(rig.objects.get(record.publication.manifest.key, record.publication.manifest.sha256))
        assert record.shot.key in json.dumps(manifest)
    sheet = rig.home.root / "sheet.png"
    assert make_contact_sheet(rig.catalog, rig.objects, sheet) == 2


def test_the_command_knows_the_addresses_and_its_links_need_no_keys(rig: Rig) -> None:
    said = lookbook(rig, "open")
    (link, *_) = re.findall(r"http://127\.0\.0\.1:\d+/lookbook/\S*X-Amz-\S+", said)
    assert httpx.get(link, trust_env=False).headers["Content-Type"].startswith("image/")
    assert httpx.get(link.partition("?")[0], trust_env=False).status_code == 403
    assert DAG in lookbook(rig, "airflow", "dags", "list")
    assert "unchanged" in lookbook(rig, "import", str(rig.folder))


def test_everybody_logs_in_with_the_rights_of_the_name(rig: Rig) -> None:
    may_start, may_decide = {}, {}
    for name, password in rig.home.passwords.items():
        with httpx.Client(base_url=rig.home.airflow_url, trust_env=False, timeout=90) as client:
            token = client.post("/auth/token", json={"username": name, "password": password}).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            start = client.post(f"/api/v2/dags/{DAG}/dagRuns", json={"logical_date": "no date"})
            may_start[name] = start.status_code == 422
            decide = client.post("/gallery/reviews/none", data={"decision": "approve"})
            may_decide[name] = decide.status_code != 403
    assert may_start == {"admin": True, "reviewer": False, "viewer": False}
    assert may_decide == {"admin": True, "reviewer": True, "viewer": False}


def lookbook(rig: Rig, *arguments: str) -> str:
    """What the command says, run for the rig's set-up as a person would run it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LOOKBOOK_", "AIRFLOW"))}
    done = subprocess.run(
        [sys.executable, "-m", "embedded", *arguments],
        env={**environment, "LOOKBOOK_HOME": str(rig.home.root)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_second_run_makes_nothing(rig: Rig) -> None:
    before = _but_reports(rig.objects)
    assert run_catalog(rig.home, rig.catalog, Console()).made == 0
    assert _but_reports(rig.objects) == before


def _but_reports(objects: Objects) -> list[str]:
    """Keys of all objects; every run has a report of its own."""
    return [key for key in objects.list_keys("") if not key.startswith("reports/")]


def test_no_port_of_any_process_lets_a_stranger_in(rig: Rig) -> None:
    """Without credentials and from a foreign web page; what is answered all the same tells nothing of anybody."""
    ours = [psutil.Process(state.pid) for state in states(rig.home).values()]
    ours += [each for each in processes_of(rig.home) if "supervisor.supervisord" in each.cmdline()]
    sockets = listening_sockets(ours)
    assert {each.laddr.ip for each in sockets} == {"127.0.0.1"}
    ports = {each.laddr.port for each in sockets}
    assert set(asdict(rig.home.ports).values()) <= ports
    (key, *_) = rig.objects.list_keys("")
    paths = [*STRANGERS_PATHS, f"/lookbook/{key}", f"/buckets/lookbook/{key}"]
    names = {port: name for name, port in asdict(rig.home.ports).items()}
    page = httpx.get(rig.home.airflow_url, trust_env=False).content
    opened = {
        f"{names.get(port, port)} {answered}"
        for port in ports - {rig.home.ports.postgres}
        for answered in let_in(port, paths, page)
        if answered.split()[1] not in ANSWERED.get(names.get(port, ""), ())
    }
    assert opened == set()
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host="127.0.0.1", port=rig.home.ports.postgres, user="postgres", dbname="lookbook")


def test_a_scheduler_killed_in_a_transaction_holds_nothing_up(rig: Rig) -> None:
    """Its workers outlive it, and with them its database session: its row locks would hide the run from the next.
    The task that it had in hand is nobody's until the next one takes it over."""
    with AirflowApi(rig.home) as airflow, ExitStack() as held:
        held.enter_context(planning_held_up(rig.catalog))
        run = airflow.trigger(DAG)
        until(lambda: airflow.tasks_in(DAG, run, "running") == ["plan"], "the run plans")
        scheduler = psutil.Process(states(rig.home)["airflow-scheduler"].pid)
        until(lambda: stops_with_a_run_locked(rig.home, scheduler), "the scheduler holds a lock on a run")
        scheduler.kill()
        killed = time.monotonic()
        until(lambda: states(rig.home)["airflow-scheduler"].pid not in {0, scheduler.pid}, "it is started again")
        held.close()
        until(lambda: airflow.run_state(DAG, run) in ENDED, "the run ends")
        print(f"the run ended {time.monotonic() - killed:.0f} s after the scheduler was killed")
        assert airflow.run_state(DAG, run) == "success"


@contextmanager
def planning_held_up(catalog: Catalog) -> Iterator[None]:
    """Whoever plans a campaign waits for its row meanwhile."""
    with catalog.begin() as session:
        assert session.scalars(select(CampaignRow.name).with_for_update()).all() != []
        yield


def stops_with_a_run_locked(home: Home, scheduler: psutil.Process) -> bool:
    """Halt the scheduler; whether it is then in a transaction that has locked rows of ``dag_run``, else it goes on."""
    scheduler.suspend()
    ports = [each.laddr.port for each in scheduler.net_connections() if each.raddr]
    locked = """
        SELECT 1 FROM pg_stat_activity JOIN pg_locks USING (pid)
        WHERE client_port = ANY(%s) AND state = 'idle in transaction'
          AND relation = 'dag_run'::regclass AND mode = 'RowShareLock'"""
    with psycopg.connect(home.postgres.url("airflow").replace("+psycopg", "")) as connection:
        if connection.execute(locked, (ports,)).fetchone():
            return True
    scheduler.resume()
    return False


def test_a_killed_task_is_noticed_and_tried_again(rig: Rig) -> None:
    """The process that runs a task is killed with the one that watches it: only missing heartbeats can tell."""
    with AirflowApi(rig.home) as airflow:
        with planning_held_up(rig.catalog):
            run = airflow.trigger(DAG)
            until(lambda: airflow.tasks_in(DAG, run, "running") == ["plan"], "the run plans")
            for each in busy_workers(rig.home):
                each.kill()
            killed = time.monotonic()
        until(lambda: "plan" not in airflow.tasks_in(DAG, run, "running"), "the lost task is noticed")
        print(f"a killed task was noticed after {time.monotonic() - killed:.0f} s")
        until(lambda: airflow.run_state(DAG, run) in ENDED, "the run ends")
        assert airflow.run_state(DAG, run) == "success"


def busy_workers(home: Home) -> list[psutil.Process]:
    """Those processes of the scheduler that have a task, by their titles, and the tasks themselves."""
    scheduler = psutil.Process(states(home)["airflow-scheduler"].pid)
    titles = {each: " ".join(each.cmdline()) for each in scheduler.children()}
    busy = [each for each, title in titles.items() if "LocalExecutor:" in title and "<idle>" not in title]
    return [process for worker in busy for process in (worker, *worker.children(recursive=True))]


def test_a_killed_service_costs_nothing_but_time(rig: Rig) -> None:
    """Two new rows; the service dies while it works on them, its supervisor restarts it, the tasks find it again."""
    import_catalog(write_tiny_catalog(rig.folder, ("MUG-1", "MUG-2", "MUG-3")), rig.catalog, rig.objects)
    with AirflowApi(rig.home) as airflow:
        run = airflow.trigger(DAG)
        until(lambda: rig.catalog.progress(CAMPAIGN).composed > 4, "the service composes")
        os.kill(states(rig.home)["service"].pid, signal.SIGKILL)
        until(lambda: airflow.run_state(DAG, run) in ENDED, "the run ends", 600)
        assert airflow.run_state(DAG, run) == "success"
    approve(rig.home, rig.catalog)
    assert rig.catalog.totals(CAMPAIGN)[ShotState.PUBLISHED] == 6
    keys = [record.shot.key for record in rig.catalog.find_shots(ShotFilter(state=ShotState.PUBLISHED)).shots]
    assert {len(takes) for takes in rig.catalog.takes(keys).values()} == {1}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def reviewed(rig: Rig, browser: Browser) -> RunKey:
    """The run of a campaign all of whose pictures wait for a person, started by Airflow's own form."""
    add_doubtful_campaign(rig.folder)
    import_catalog(rig.folder, rig.catalog, rig.objects)
    with AirflowApi(rig.home) as airflow:
        for dag in ("campaign", "publish_approved", "retakes"):
            airflow.wait_for_dag(dag)
            airflow.unpause(dag)
    with signed_in(browser, rig.home, ADMIN) as page:
        trigger_campaign(page, DOUBTFUL)
        watch_images(page)
    with rig.catalog.begin() as session:
        return next(run.key for run in runs.latest_runs(session) if run.key.dag_id == "campaign")


def trigger_campaign(page: Page, campaign: str) -> None:
    """Through the DAG's page and its form; ends on the page of the run."""
    page.goto("/dags/campaign")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog")
    form.locator("[name=element_campaign]").fill(campaign)
    form.get_by_role("button", name="Trigger").last.click()
    page.wait_for_url("**/dags/campaign/runs/**")


def watch_images(page: Page) -> None:
    """On the run's tab, which renews itself, until all is done."""
    page.get_by_role("link", name="Images").click()
    expect(pages_of(page).get_by_text("4 of 4 done")).to_be_visible(timeout=300_000)
    expect(pages_of(page).locator(".state.review").first).to_be_visible()


def test_reviews_are_answered_in_the_browser_and_what_is_approved_is_published(
    rig: Rig, browser: Browser, reviewed: RunKey
) -> None:
    with signed_in(browser, rig.home, REVIEWER) as page:
        expect(page.locator('a[href$="/plugin/lookbook-reviews"]')).to_be_visible()
        page.goto("/plugin/lookbook-reviews")
        inside = pages_of(page)
        inside.locator("select[name=campaign]").select_option(DOUBTFUL)
        inside.get_by_role("button", name="Show").click()
        expect(inside.get_by_role("link", name="Show all")).to_be_visible()
        expect(inside.locator("h1 .count")).to_have_text("4")
        inside.locator(".review-sheet a.picture").first.click()
        expect(inside.get_by_text("1 of 4")).to_be_visible()
        inside.locator("button[value=approve]").click()
        expect(inside.get_by_text("Approved.")).to_be_visible()
        inside.locator("button[value=reject]").click()  # without a reason it is not sent
        expect(inside.get_by_text("1 of 3")).to_be_visible()
        inside.locator("select[name=reason]").select_option("face is wrong")
        inside.locator("button[value=reject]").click()
        expect(inside.get_by_text("Rejected.")).to_be_visible()
        inside.locator("input[name=note]").fill("too dark")
        inside.locator(".retake summary").click()
        inside.locator("input[name=words]").fill("warm evening light")
        inside.get_by_role("button", name="Ask for another take").click()
        expect(inside.get_by_text("Sent back for another take.")).to_be_visible()
        until(lambda: waiting(rig) == 2, "the other take waits beside the last", 300)
        page.goto(f"/gallery/reviews?order=newest&campaign={DOUBTFUL}")
        page.locator(".review-sheet a.picture").first.click()
        expect(page.locator(".judged img[alt='take 2']")).to_be_visible()
        page.goto(f"/gallery/reviews?campaign={DOUBTFUL}")
        page.locator("input[data-all]").check()
        page.once("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Approve chosen").click()
        expect(page.get_by_text("2 approved.")).to_be_visible()
    until(lambda: rig.catalog.totals(DOUBTFUL)[ShotState.PUBLISHED] == 3, "what was approved is published", 300)


def test_an_answer_is_taken_back_and_the_picture_leaves_the_bucket(
    rig: Rig, browser: Browser, reviewed: RunKey
) -> None:
    (before, *_) = rig.catalog.find_shots(ShotFilter(campaign=DOUBTFUL, state=ShotState.PUBLISHED)).shots
    assert before.publication is not None
    (review, *_) = rig.catalog.history(before.shot.key).reviews[-1:]
    with signed_in(browser, rig.home, REVIEWER) as page:
        page.goto(f"/gallery/reviews/{review.id}")
        page.get_by_role("button", name="Take this answer back").click()
        expect(page.locator("button[value=approve]")).to_be_visible()
    assert rig.objects.head(before.publication.master.key) is None
    assert rig.catalog.states([before.shot.key]) == {before.shot.key: ShotState.REVIEW}


def test_airflow_s_navigation_says_how_many_wait(rig: Rig, browser: Browser, reviewed: RunKey) -> None:
    with signed_in(browser, rig.home, "viewer") as page:
        entry = page.locator('a[href$="/plugin/lookbook-reviews"]')
        said = "element => getComputedStyle(element, '::after').content"
        page.wait_for_function(
            f"element => ({said})(element) === '\"{len(rig.catalog.reviews())}\"'", arg=entry.element_handle()
        )


def test_a_viewer_looks_and_decides_nothing(rig: Rig, browser: Browser, reviewed: RunKey) -> None:
    with signed_in(browser, rig.home, "viewer") as page:
        page.goto("/gallery/reviews")
        page.locator(".review-sheet a.picture").first.click()
        expect(page.get_by_text("Your role may look but not decide")).to_be_visible()
        expect(page.locator("button[value=approve]")).to_have_count(0)
    with signed_in(browser, rig.home, REVIEWER) as page:
        page.goto("/dags/campaign")
        expect(page.get_by_role("heading", name="campaign").first).to_be_visible()
        assert page.request.post("/api/v2/dags/campaign/dagRuns", data={"logical_date": None}).status == 403


@pytest.mark.parametrize("size", [LAPTOP, PHONE])
def test_everything_is_within_reach_and_nothing_sticks_out(
    rig: Rig, browser: Browser, reviewed: RunKey, size: tuple[int, int]
) -> None:
    """On a laptop and on a phone: the answers without scrolling, and no page wider than its window."""
    (review,) = rig.catalog.reviews()[:1]
    run = f"/gallery/run/{quote(reviewed.dag_id)}/{quote(reviewed.run_id)}"
    others = ("/gallery/", run, f"{run}/report", "/gallery/campaigns", "/gallery/runs", "/gallery/audit")
    with signed_in(browser, rig.home, ADMIN, size) as page:
        page.goto(f"/gallery/reviews/{review.id}")
        for answer in ("approve", "reject"):
            assert within_reach(page, f"button[value={answer}]")
        assert within_reach(page, ".judged img")
        for way in (f"/gallery/shot/{review.shot.key}", "/gallery/personas", *others):
            page.goto(way)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), way


def test_pages_follow_airflow_s_light_and_dark(rig: Rig, browser: Browser) -> None:
    with signed_in(browser, rig.home, "viewer") as page:
        for theme in ("dark", "light"):
            page.evaluate(f"localStorage.setItem('theme', '{theme}')")
            page.goto("/plugin/lookbook-gallery")
            expect(pages_of(page).locator("html")).to_have_attribute("data-theme", theme)


def waiting(rig: Rig) -> int:
    return sum(review.shot.campaign == DOUBTFUL for review in rig.catalog.reviews())


def test_a_backfill_makes_what_changed_on_each_day_once(rig: Rig) -> None:
    """Three rows of three days; a fourth day without any. All runs at once."""
    new = ("MUG-4", "MUG-5", "MUG-6")
    import_catalog(write_tiny_catalog(rig.folder, ("MUG-1", "MUG-2", "MUG-3", *new)), rig.catalog, rig.objects)
    with rig.catalog.begin() as session:
        for number, sku in enumerate(new):
            noon = datetime(2026, 3, 2 + number, 12, tzinfo=UTC)
            session.execute(update(ProductRow).where(ProductRow.sku == sku).values(updated_at=noon))
    asked = {"dag_id": DAG, "from_date": "2026-03-01T00:00:00Z", "to_date": "2026-03-05T00:00:00Z"}
    with AirflowApi(rig.home) as airflow:
        airflow._ask("POST", "/api/v2/backfills", json={**asked, "max_active_runs": 4, "dag_run_conf": {}})
        keys = [f"backfill__2026-03-0{day}T02:00:00+00:00" for day in (2, 3, 4, 5)]
        until(lambda: all(airflow.run_state(DAG, key) in ENDED for key in keys), "the backfill ends", 400)
        assert {airflow.run_state(DAG, key) for key in keys} == {"success"}
    with rig.catalog.begin() as session:
        taken = [runs.run_shots(session, RunKey(DAG, key)) for key in keys]
        assert not any(record.cancelled for record in runs.latest_runs(session))
    assert [{shot.product.sku for shot in rig.catalog.shots(some)} for some in taken] == [
        set(),
        *({sku} for sku in new),
    ]
    for some in taken:
        assert {len(takes) for takes in rig.catalog.takes(some).values()} <= {1}
        assert set(rig.catalog.states(some).values()) <= {ShotState.REVIEW}


def test_starting_again_leaves_running_parts_alone(rig: Rig) -> None:
    before = states(rig.home)
    assert start(rig.home, print) == rig.home
    assert states(rig.home) == before
    assert all(part.answers() for part in parts(rig.home))


def until(holds: Callable[[], bool], what: str, seconds: float = 300, pause: float = 0.2) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not after {seconds:g} s: {what}"
        time.sleep(pause)
