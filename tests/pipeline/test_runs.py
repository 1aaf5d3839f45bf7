"""What a run takes up, leaves to others, and says; on a real catalog, with no service but its bundle."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import update

from brief.plan import PlanError
from brief.types import BundleInfo, Environment, Framing, Persona, Product, Publication, Shot
from pipeline.claims import RunUnfinished, affordable, claim_shots, finish, published_by
from pipeline.plan import RunPlan, plan_run
from pipeline.run import (
    PRIORITIES,
    Budget,
    Run,
    RunRequest,
    names_for_forms,
    open_catalog,
    open_objects,
    open_service,
    read_request,
)
from storage.__main__ import main
from storage.bucket.objects import Objects
from storage.catalog import events, runs
from storage.catalog.catalog import Catalog
from storage.catalog.retiring import restore, retire, set_campaign_state, take_downs
from storage.catalog.runs import RunKey
from storage.catalog.shots import Choice, Chosen, Reprocess
from storage.catalog.tables import CampaignRow, CampaignState, EnvironmentRow, PersonaRow, ProductRow, ShotState
from tests.storage.samples import BUNDLE, RUN, campaign, environment, persona, plan_of, product, published, ref, scored

DAY = timedelta(days=1)
FIRST = datetime(2026, 11, 1, tzinfo=UTC)


def planned_in_full(run: Run, request: RunRequest | None = None) -> list[Shot]:
    return run.catalog.shots([shot.key for shot in plan_run(run, request or RunRequest()).shots])


class Service:
    """A generation service that is never asked to make anything."""

    count = 2

    def __init__(self, bundle: BundleInfo = BUNDLE) -> None:
        self._bundle = bundle

    def bundle(self) -> BundleInfo:
        return self._bundle


@pytest.fixture
def run(catalog: Catalog, objects: Objects) -> Run:
    """Three mugs on a beach, one more of them changed on each of the first days of November; all else before."""
    skus = ("MUG-1", "MUG-2", "MUG-3")
    catalog.save_products(product(sku) for sku in skus)
    catalog.save_environments([environment()])
    catalog.save_personas([persona()])
    catalog.save_campaigns([campaign()])
    for number, sku in enumerate(skus):
        changed(catalog, ProductRow, FIRST + number * DAY + timedelta(hours=9), ProductRow.sku == sku)
    for table in (EnvironmentRow, PersonaRow, CampaignRow):
        changed(catalog, table, FIRST - 30 * DAY)
    return Run(catalog, objects, cast("Any", Service()), RunKey("catalog", "one"))


def changed(catalog: Catalog, table: Any, at: datetime, *where: Any) -> None:
    with catalog.begin() as session:
        session.execute(update(table).where(*where).values(updated_at=at))


def on(day: int) -> RunRequest:
    return RunRequest(choice=Choice(changed=(FIRST + (day - 1) * DAY, FIRST + day * DAY), cancelled=False))


def as_run(run: Run, run_id: str, dag_id: str = "catalog") -> Run:
    return replace(run, id=RunKey(dag_id, run_id))


def nobody(key: RunKey) -> bool:
    return False


def everybody(key: RunKey) -> bool:
    return True


def skus(planned: RunPlan) -> list[str]:
    return sorted(shot.sku for shot in planned.shots)


def test_each_day_of_a_backfill_takes_the_rows_that_changed_on_it(run: Run) -> None:
    assert [skus(plan_run(run, on(day))) for day in (1, 2, 3, 4)] == [["MUG-1"], ["MUG-2"], ["MUG-3"], []]
    for table in (EnvironmentRow, PersonaRow, CampaignRow):
        changed(run.catalog, table, FIRST + 3 * DAY + timedelta(hours=1))
        assert skus(plan_run(run, on(4))) == ["MUG-1", "MUG-2", "MUG-3"]
        changed(run.catalog, table, FIRST - 30 * DAY)


def test_a_row_that_became_visible_late_is_not_lost_between_two_days(run: Run) -> None:
    changed(run.catalog, ProductRow, FIRST + DAY - timedelta(seconds=1), ProductRow.sku == "MUG-1")
    assert skus(plan_run(run, on(1))) == ["MUG-1"]
    assert skus(plan_run(run, on(2))) == ["MUG-1", "MUG-2"]


def test_what_another_bundle_draws_again_belongs_to_whichever_run_comes_first(run: Run) -> None:
    assert len(plan_run(run, RunRequest()).shots) == 3
    other = replace(run, service=cast("Any", Service(replace(BUNDLE, fingerprint="e" * 32))))
    assert skus(plan_run(other, on(9))) == ["MUG-1", "MUG-2", "MUG-3"]


def test_a_lost_picture_is_made_by_the_next_night(run: Run) -> None:
    (shot, *_) = planned_in_full(run)
    assert plan_run(run, on(9)).shots == []
    run.catalog.record_loss(shot.key, "its picture is gone")
    assert [each.key for each in plan_run(run, on(9)).shots] == [shot.key]


def test_runs_that_meet_share_shots_instead_of_each_claiming_them(run: Run) -> None:
    first, second, third = (as_run(run, name) for name in ("one", "two", "three"))
    shards = [claim_shots(each, plan_run(each, RunRequest()), {}, everybody) for each in (first, second, third)]
    assert [len(some) for some in shards] == [1, 0, 0]
    with run.catalog.begin() as session:
        assert [len(runs.run_shots(session, each.id)) for each in (first, second, third)] == [3, 3, 3]
        record = runs.run(session, second.id)
    assert record is not None
    assert record.found["shared"] == {"catalog/one": 3}


def test_a_run_that_shares_its_shots_says_whose_they_are(run: Run, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    second = as_run(run, "two")
    for each in (run, second):
        claim_shots(each, plan_run(each, RunRequest()), {}, everybody)
    caplog.clear()
    assert finish(second, []) == {}
    assert "3 shots of this run are made by catalog/one; 3 of them are still going" in caplog.text
    assert "nothing to make" not in caplog.text


def test_what_a_run_published_is_told_once_by_campaign(run: Run) -> None:
    shots = planned_in_full(run)
    published(run.catalog, shots[0])
    publisher = as_run(run, "run-1", "campaign")
    assert published_by(publisher) == published_by(publisher) == {"autumn": 1}
    with run.catalog.begin() as session:
        told = [each for each in events.waiting(session, FIRST) if each.kind == "publication.finished"]
    assert [each.body["shots"] for each in told] == [[shots[0].key]]


def test_two_plans_at_the_same_moment_take_up_each_shot_once(run: Run) -> None:
    def taken(name: str) -> list[str]:
        mine = as_run(run, name)
        return [key for shard in claim_shots(mine, plan_run(mine, RunRequest()), {}, everybody) for key in shard.keys]

    with ThreadPoolExecutor(4) as pool:
        keys = [key for some in pool.map(taken, "abcd") for key in some]
    assert len(keys) == len(set(keys)) == 3


def test_a_more_urgent_run_makes_the_shots_of_a_big_one_itself(run: Run) -> None:
    claim_shots(run, plan_run(run, RunRequest()), {}, everybody, priority=PRIORITIES["night"])
    urgent = as_run(run, "now", "campaign")
    request = RunRequest(["autumn"], Choice(products=("mug-1",)))
    (shard,) = claim_shots(urgent, plan_run(urgent, request), {}, everybody, priority=PRIORITIES["urgent"])
    assert shard.name == "MUG-1 (1 shot)"
    late = as_run(run, "late")
    assert claim_shots(late, plan_run(late, RunRequest()), {}, everybody) == []


def test_a_plan_that_is_tried_again_keeps_its_shots(run: Run) -> None:
    claim_shots(run, plan_run(run, RunRequest()), {}, everybody)
    (shard,) = claim_shots(run, plan_run(run, RunRequest()), {}, everybody)
    assert len(shard.keys) == 3


def test_what_a_cancelled_run_left_comes_back_only_when_asked_for(run: Run) -> None:
    cancelled = as_run(run, "cancelled", "campaign")
    claim_shots(cancelled, plan_run(cancelled, RunRequest(["autumn"])), {}, nobody)
    claim_shots(as_run(run, "some other"), RunPlan([]), {}, nobody)
    with run.catalog.begin() as session:
        record = runs.run(session, cancelled.id)
    assert record is not None
    assert record.cancelled
    assert plan_run(run, on(1)).shots == []
    assert len(plan_run(run, RunRequest(["autumn"])).shots) == 3
    asked = read_request({"outstanding": True}, (FIRST, FIRST + DAY))
    assert len(plan_run(run, asked).shots) == 3


def test_a_run_that_came_to_its_summary_was_not_cancelled(run: Run) -> None:
    failed = as_run(run, "the service was away")
    shards = claim_shots(failed, plan_run(failed, on(1)), {}, nobody)
    with pytest.raises(RunUnfinished, match="1 of 1 shots are unfinished"):
        finish(failed, [key for shard in shards for key in shard.keys])
    assert skus(plan_run(run, on(1))) == ["MUG-1"]


def test_a_dry_run_chooses_what_the_real_one_makes_and_changes_nothing(run: Run, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    real = plan_run(run, RunRequest())
    for shot in run.catalog.shots([each.key for each in real.shots[:2]]):
        scored(run.catalog, shot)
        run.catalog.record_rejection(shot.key, ["too dark"])
    run.catalog.save_products([product("MUG-9"), product("MUG-3", title="blue mug")])
    before = run.catalog.totals()
    request = RunRequest(choice=Choice(Reprocess.REJECTED), dry_run=True)
    dry = plan_run(replace(run, hour_price=3.6), request)
    assert run.catalog.totals() == before
    assert claim_shots(run, dry, {}, nobody) == []
    assert run.catalog.totals() == before
    caplog.clear()
    assert finish(run, []) == {}
    assert "DRY RUN" in caplog.text
    assert "every shot" not in caplog.text
    assert (dry.estimate.seconds, dry.estimate.minutes) == (4 * 4.25, 4 * 4.25 / 60 / 2)
    assert dry.estimate.money == pytest.approx(4 * 4.25 * 3.6 / 3600)
    assert [shot.key for shot in dry.shots] == [
        shot.key for shot in plan_run(run, replace(request, dry_run=False)).shots
    ]
    assert (dry.campaigns["autumn"]["wanted"], dry.campaigns["autumn"]["superseded"]) == (4, 1)


def test_a_dry_run_says_what_a_new_name_would_cost(run: Run, caplog: Any) -> None:
    (shot, *_) = planned_in_full(run)
    made, _ = scored(run.catalog, shot)
    run.catalog.record_publication(Publication(shot.key, made.key, ref("m"), {}, ref("j")), RUN)
    run.catalog.save_products([product("MUG-1-NEW", packshot=shot.product.packshot)])
    plan_run(run, RunRequest(dry_run=True))
    assert "DRY RUN: 1 shots differ from published ones by a name alone (SKU 'MUG-1-NEW' was 'MUG-1')" in caplog.text


def test_what_is_refused_is_said_with_its_reason(run: Run, caplog: Any) -> None:
    run.catalog.save_campaigns([campaign(products=("MUG-1", "CUP-7"))])
    planned = plan_run(run, RunRequest(dry_run=True))
    assert list(planned.campaigns["autumn"]["refused"]) == ["CUP-7"]
    assert "left out: CUP-7 is not in the catalog" in caplog.text


def test_a_budget_in_shots_seconds_or_money_leaves_the_rest(run: Run) -> None:
    shots = planned_in_full(run, RunRequest(budget=Budget(shots=2)))
    assert len(shots) == 2
    scored(run.catalog, shots[0])  # 4.25 s
    run.catalog.record_rejection(shots[0].key, ["too dark"])
    everything = Choice(Reprocess.REJECTED)
    assert len(plan_run(run, RunRequest(choice=everything, budget=Budget(seconds=9))).shots) == 2
    with pytest.raises(PlanError, match="LOOKBOOK_GPU_HOUR_PRICE"):
        plan_run(run, RunRequest(budget=Budget(money=1)))
    dear = replace(run, hour_price=3600.0)
    planned = plan_run(dear, RunRequest(choice=everything, budget=Budget(money=4.5)))
    assert (len(planned.shots), planned.over_budget) == (1, 2)


def test_a_budget_that_estimates_did_not_keep_ends_the_run_before_its_next_shard(run: Run) -> None:
    planned = plan_run(run, RunRequest(budget=Budget(seconds=5)))  # nothing is measured yet
    (first, second, third) = claim_shots(run, planned, {}, nobody, shard_size=1)
    keys = [key for shard in (first, second, third) for key in shard.keys]
    for shard, shot in zip((first, second), run.catalog.shots(keys), strict=False):
        assert affordable(run, shard.keys) == list(shard.keys)
        scored(run.catalog, shot)  # 4.25 s
        run.catalog.record_rejection(shot.key, ["too dark"])
    assert affordable(run, third.keys) == []
    assert finish(run, keys) == {"rejected": 2, "planned": 1}
    assert [shot.key for shot in plan_run(run, RunRequest()).shots] == list(third.keys)


def test_a_part_of_a_campaign(run: Run) -> None:
    run.catalog.save_environments([environment("city")])
    run.catalog.save_personas([persona("ben")])
    wide = campaign(
        environments=("beach", "city"), personas=("ana", "ben"), framings=(Framing.HELD, Framing.STILL), variants=2
    )
    run.catalog.save_campaigns([wide])

    def number(**choice: Any) -> int:
        return len(plan_run(run, RunRequest(["autumn"], Choice(**choice))).shots)

    assert number() == 3 * 2 * (2 + 1) * 2
    assert number(variants=1) == 18
    assert number(products=("mug-1", "*-3")) == 24
    assert number(environments=("city",), framings=("still",)) == 6
    assert number(personas=("ben",), products=("MUG_*", "M%*")) == 0
    for wrong in ({"environments": ("moon",)}, {"personas": ("eve",)}, {"products": ("MUG",)}):
        with pytest.raises(PlanError, match=r"moon|eve|MUG-\*"):
            number(**wrong)


def test_a_paused_campaign_is_made_by_name_only_and_one_that_is_over_not_at_all(run: Run) -> None:
    def put(state: CampaignState) -> int:
        with run.catalog.begin() as session:
            return set_campaign_state(session, "autumn", state, "ann")

    assert len(plan_run(run, RunRequest()).shots) == 3
    assert put(CampaignState.PAUSED) == 0
    assert plan_run(run, RunRequest()).shots == []
    assert len(plan_run(run, RunRequest(["autumn"])).shots) == 3
    assert put(CampaignState.ENDED) == 3
    assert run.catalog.totals()[ShotState.SUPERSEDED] == 3
    with pytest.raises(PlanError, match="'autumn' is ended"):
        plan_run(run, RunRequest(["autumn"]))
    put(CampaignState.ACTIVE)
    tonight = (datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1))
    assert len(plan_run(run, RunRequest(choice=Choice(changed=tonight, cancelled=False))).shots) == 3


@pytest.mark.parametrize(("kind", "name"), [(Product, "MUG-1"), (Environment, "beach"), (Persona, "ana")])
def test_what_is_retired_is_not_made_any_more_and_what_is_published_of_it_is_listed(
    run: Run, kind: Any, name: str
) -> None:
    run.catalog.save_environments([environment("city")])
    run.catalog.save_personas([persona("ben")])
    run.catalog.save_campaigns([campaign(environments=("beach", "city"), personas=("ana", "ben"))])
    shots = planned_in_full(run)
    of_it = [
        shot for shot in shots if name in (shot.product.sku, shot.environment.name, shot.persona and shot.persona.name)
    ]
    published(run.catalog, of_it[0])
    with run.catalog.begin() as session:
        assert retire(session, kind, name, "ann", "sold out") == len(of_it) - 1
        assert [each.shot_key for each in take_downs(session)] == [of_it[0].key]
    left = plan_run(run, RunRequest()).shots
    assert {shot.key for shot in left} == {shot.key for shot in shots} - {shot.key for shot in of_it}
    with run.catalog.begin() as session:
        assert [each.shot_key for each in take_downs(session)] == [of_it[0].key]
        restore(session, kind, name, "ann")
    assert len(plan_run(run, RunRequest()).shots) == len(shots) - 1
    assert run.catalog.states([of_it[0].key]) == {of_it[0].key: ShotState.PUBLISHED}


def test_the_form_offers_what_can_be_made(run: Run) -> None:
    with run.catalog.begin() as session:
        retire(session, Product, "MUG-1", "ann")
        retire(session, Persona, "ana", "ann")
        set_campaign_state(session, "autumn", CampaignState.ENDED, "ann")
    offered = names_for_forms(run, 2)
    assert offered["products"] == ["MUG-2", "MUG-3"]
    assert offered["environments"] == ["beach"]
    assert offered["campaigns"] == offered["personas"] == []
    assert names_for_forms(run, 1)["products"] == ["MUG-2"]


def test_the_form_says_what_is_wrong_before_anything_is_computed() -> None:
    assert read_request({"products": ["MUG-1"], "products_like": " BOWL-* "}, None).choice.products == (
        "MUG-1",
        "BOWL-*",
    )
    request = read_request({"changed_from": "2026-11-01", "changed_to": "2026-11-02", "campaign": " autumn "}, None)
    assert request.choice.changed == (FIRST, FIRST + 2 * DAY)
    assert (request.campaigns, request.choice.cancelled) == (["autumn"], True)
    assert read_request({}, (FIRST, FIRST + DAY)).choice == Choice(changed=(FIRST, FIRST + DAY), cancelled=False)
    with pytest.raises(PlanError, match="after 'Changed to'"):
        read_request({"changed_from": "2026-11-03", "changed_to": "2026-11-02"}, None)
    with pytest.raises(PlanError, match="write a day as"):
        read_request({"changed_from": "last week"}, None)
    with pytest.raises(PlanError, match="no campaign is named"):
        read_request({"campaign": None}, None)


def test_failures_of_one_reason_are_said_together(run: Run, caplog: Any) -> None:
    shots = planned_in_full(run)
    for shot in shots:
        run.catalog.record_failure(shot.key, "compose", "the packshot is damaged")
    claim_shots(run, RunPlan([Chosen.of(shot) for shot in shots]), {}, nobody)
    finish(run, [shot.key for shot in shots])
    assert caplog.text.count("the packshot is damaged") == 1
    assert "MUG-1 in beach, MUG-2 in beach, MUG-3 in beach" in caplog.text


def test_an_import_between_reading_and_recording_a_plan_is_not_undone(run: Run) -> None:
    (read,) = run.catalog.campaigns()
    run.catalog.save_campaigns([campaign(title="Autumn, corrected")])
    run.catalog.record_plan(read, plan_of(run.catalog, read), run.id)
    assert run.catalog.campaigns()[0].title == "Autumn, corrected"


def test_a_campaign_is_ended_and_a_product_retired_from_the_shell(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOOKBOOK_DATABASE_URL", run.catalog.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("COLUMNS", "200")
    shots = planned_in_full(run)
    published(run.catalog, shots[0])
    assert main(["retire", "product", shots[0].product.sku, "--why", "sold out"]) == 0
    assert main(["campaign", "ended", "autumn"]) == 0
    assert main(["take-downs"]) == 0
    said = capsys.readouterr().out
    assert "is retired; 0 outstanding shots superseded" in said
    assert "is ended; 2 outstanding shots superseded" in said
    assert f"{shots[0].key}-manifest" in said
    assert main(["retire", "persona", "nobody"]) == 2
    assert "'nobody' is not in the catalog" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("opened", "name"),
    [(open_catalog, "lookbook_catalog"), (open_objects, "lookbook_s3"), (open_service, "lookbook_service")],
)
def test_a_missing_connection_is_said_with_the_command_that_mends_it(
    opened: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("LOOKBOOK_DATABASE_URL", "LOOKBOOK_S3_BUCKET", "LOOKBOOK_SERVICE_URL"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(Exception, match=f"run: airflow connections add {name} --conn-"):
        opened(None)
