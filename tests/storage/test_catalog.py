"""Rows, plans and states in the catalog."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from brief.plan import Plan
from brief.recipe import take
from brief.types import Framing, Publication, Verdict
from storage.catalog.catalog import Catalog
from storage.catalog.database import make_engine
from storage.catalog.errors import RowMissing, RowUnreadable
from storage.catalog.json_types import Versioned
from storage.catalog.plans import renamed
from storage.catalog.records import Progress, StageOutput
from storage.catalog.runs import RunKey
from storage.catalog.tables import ProductRow, ShotState
from storage.catalog.takes import MADE_AGAIN
from storage.migrations import migrate
from tests.storage.samples import MADE_BY, RUN, campaign, environment, persona, plan_of, planned, product, ref, scored


def test_rows_come_back_as_they_were_saved(catalog: Catalog) -> None:
    rows = product("T-1", title="Tee “L” 50%", attributes={"colour": "réd", "fit": "slim"})
    brought = persona("zoe", portrait=ref("zoe"))
    wanted = campaign(framings=(Framing.HELD, Framing.STILL), shots_per_product=3)
    catalog.save_products([rows])
    studio = environment("studio", surface=0.66)
    catalog.save_environments([environment(), studio])
    catalog.save_personas([persona(), brought])
    catalog.save_campaigns([wanted])
    assert catalog.products() == {"T-1": rows}
    assert catalog.environments() == {"beach": environment(), "studio": studio}
    assert catalog.personas() == {"ana": persona(), "zoe": brought}
    assert catalog.campaigns() == catalog.campaigns(["autumn"]) == [wanted]


def test_an_unknown_campaign_is_named_with_those_there_are(catalog: Catalog) -> None:
    catalog.save_campaigns([campaign("autumn"), campaign("spring")])
    with pytest.raises(RowMissing, match="'winter' is not in the catalog, which has autumn, spring"):
        catalog.campaigns(["autumn", "winter"])


def test_updated_at_moves_only_when_something_changed(catalog: Catalog) -> None:
    def times() -> tuple[datetime, datetime]:
        with Session(catalog.engine) as session:
            row = session.scalars(select(ProductRow)).one()
            return row.created_at, row.updated_at

    attributes = {"b": "1", "a": "2"}
    assert catalog.save_products([product(attributes=attributes)]).inserted == ("MUG-1",)
    first = times()
    again = catalog.save_products([product(attributes=dict(sorted(attributes.items())))])
    assert (again.inserted, again.updated) == ((), ())
    assert times() == first
    assert catalog.save_products([product(title="blue mug")]).updated == ("MUG-1",)
    assert times()[0] == first[0]
    assert times()[1] > first[1]


def test_two_imports_at_once_do_not_collide(catalog: Catalog) -> None:
    rows = [product(f"S-{n}") for n in range(600)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(catalog.save_products, [rows, rows[::-1], rows, rows[::-1]]))
    assert sum(len(each.inserted) for each in found) == 600
    assert sum(len(each.updated) for each in found) == 0
    assert len(catalog.products()) == 600


def test_a_plan_recorded_twice_changes_nothing(catalog: Catalog) -> None:
    shots = planned(catalog, ("A", "B"))
    wanted = campaign()
    record = catalog.record_plan(wanted, plan_of(catalog, wanted), RunKey("campaign", "run-2"))
    assert (record.new, record.kept, record.revived, record.superseded) == (0, 2, 0, 0)
    assert catalog.outstanding("autumn") == shots
    assert catalog.shots([shots[1].key, "unknown", shots[0].key]) == [shots[1], shots[0]]


def test_a_changed_row_makes_just_its_own_shots_again(catalog: Catalog) -> None:
    old, other = planned(catalog, ("A", "B"))
    for shot in (old, other):
        scored(catalog, shot)
    catalog.save_products([product("A", packshot=ref("A, new packshot"))])
    record = catalog.record_plan(campaign(), plan_of(catalog, campaign()), RunKey("campaign", "run-2"))
    assert (record.new, record.kept, record.superseded) == (1, 1, 1)
    assert catalog.states([old.key, other.key]) == {old.key: ShotState.SUPERSEDED, other.key: ShotState.SCORED}
    assert [shot.product.packshot for shot in catalog.outstanding("autumn")] == [ref("A, new packshot"), ref("B")]


def test_what_does_not_touch_pixels_keeps_the_shot_and_updates_its_brief(catalog: Catalog) -> None:
    (shot,) = planned(catalog)
    stricter = campaign(thresholds={"product": 0.9})
    catalog.record_plan(stricter, plan_of(catalog, stricter), RunKey("campaign", "run-2"))
    assert catalog.outstanding("autumn") == [replace(shot, thresholds={"product": 0.9})]


def test_a_superseded_shot_that_is_wanted_again_takes_up_where_it_was(catalog: Catalog) -> None:
    places = ("beach", "forest", "desert", "harbour")
    shots = planned(catalog, environments=places)
    published, waiting, turned_down, untouched = shots
    made, _ = scored(catalog, published)
    catalog.record_publication(
        Publication(published.key, made.key, ref("m"), {}, ref("manifest")), RunKey("campaign", "run-1")
    )
    catalog.open_review(waiting.key, scored(catalog, waiting)[0].key, ["dark"])
    review = catalog.open_review(turned_down.key, scored(catalog, turned_down)[0].key, ["dark"])
    catalog.decide(review, "reject", "ana")
    wanted = campaign(environments=places)
    nothing = replace(plan_of(catalog, wanted), number=0, make=lambda: iter(()))
    assert catalog.record_plan(wanted, nothing, RunKey("campaign", "run-2")).superseded == 4
    assert catalog.outstanding("autumn", "all") == []
    assert catalog.record_plan(wanted, plan_of(catalog, wanted), RunKey("campaign", "run-3")).revived == 4
    assert catalog.states([shot.key for shot in shots]) == {
        published.key: ShotState.PUBLISHED,
        waiting.key: ShotState.REVIEW,
        turned_down.key: ShotState.REJECTED,
        untouched.key: ShotState.PLANNED,
    }


def test_shots_of_a_product_that_cannot_be_planned_now_stay_as_they_are(catalog: Catalog) -> None:
    (shot,) = planned(catalog)
    refused = Plan(0, 0, {shot.product.sku: "its title is too long"}, lambda: iter(()))
    assert catalog.record_plan(campaign(), refused, RunKey("campaign", "run-2")).superseded == 0
    assert catalog.states([shot.key]) == {shot.key: ShotState.PLANNED}


def test_a_revived_shot_whose_take_was_cleared_away_is_made_again(catalog: Catalog) -> None:
    (shot,) = planned(catalog)
    made, _ = scored(catalog, shot)
    catalog.open_review(shot.key, made.key, ["dark"])
    catalog.record_plan(campaign(), Plan(0, 0, {}, lambda: iter(())), RunKey("campaign", "run-2"))
    catalog.forget_pictures(shot.key)
    catalog.record_plan(campaign(), plan_of(catalog, campaign()), RunKey("campaign", "run-3"))
    assert catalog.outstanding("autumn") == [shot]


def test_a_server_that_ends_our_connections_is_met_again(postgres_url: str) -> None:
    catalog = Catalog.at(postgres_url)
    migrate(catalog.engine)
    planned(catalog)
    other = make_engine(postgres_url)
    with other.begin() as connection:
        ours = text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND datname = current_database()"
        )
        assert connection.execute(ours).all() == [(True,)]
    assert list(catalog.products()) == ["MUG-1"]
    for engine in (catalog.engine, other):
        engine.dispose()


def test_plans_of_one_campaign_at_once_end_as_one_of_them(catalog: Catalog) -> None:
    planned(catalog, ("A", "B", "C"))
    wanted = campaign(variants=3)
    plans = [plan_of(catalog, wanted)] * 4
    with ThreadPoolExecutor(4) as pool:
        records = list(pool.map(lambda plan: catalog.record_plan(wanted, plan, RunKey("campaign", "run-2")), plans))
    assert sum(record.new for record in records) == 6
    assert len(catalog.outstanding("autumn")) == 9


def test_campaigns_never_share_a_shot(catalog: Catalog) -> None:
    first = planned(catalog)
    second = planned(catalog, name="spring")
    assert {shot.key for shot in first}.isdisjoint(shot.key for shot in second)
    assert len(catalog.outstanding("autumn")) == len(catalog.outstanding("spring")) == 1


def test_outstanding_keeps_a_persona_and_a_product_together(catalog: Catalog) -> None:
    shots = planned(catalog, ("A", "B"), environments=("beach", "forest"), personas=("ana", "zoe"))
    pairs = [(shot.persona.name if shot.persona else "", shot.product.sku) for shot in shots]
    assert pairs == sorted(pairs)
    assert len(shots) == 8


def test_reprocess_says_what_is_made_again(catalog: Catalog) -> None:
    unfinished, failed, rejected, waiting = planned(catalog, ("A", "B", "C", "D"))
    catalog.record_failure(failed.key, "compose", "its packshot is damaged")
    catalog.record_rejection(rejected.key, ["blurred"])
    catalog.open_review(waiting.key, scored(catalog, waiting)[0].key, ["dark"])

    def skus(reprocess: str) -> str:
        return "".join(shot.product.sku for shot in catalog.outstanding("autumn", reprocess))

    assert unfinished.product.sku == "A"
    assert [skus(name) for name in ("missing", "failed", "rejected", "all")] == ["A", "AB", "AC", "ABCD"]
    with pytest.raises(ValueError, match="everything"):
        catalog.outstanding("autumn", "everything")


def test_a_take_is_kept_stage_by_stage(catalog: Catalog) -> None:
    (shot,) = planned(catalog)
    made, card = scored(catalog, shot)
    (record,) = catalog.takes([shot.key])[shot.key]
    assert record.take == made
    assert (record.composed, record.refined) == (ref(f"{made.key}-composed"), ref(f"{made.key}-refined"))
    assert record.scorecard == card
    assert record.seconds == {"compose": 2.5, "refine": 1.25, "score": 0.5}
    assert catalog.states([shot.key]) == {shot.key: ShotState.SCORED}


def test_a_stage_that_found_its_output_keeps_the_first_time(catalog: Catalog) -> None:
    (shot,) = planned(catalog)
    made, _ = scored(catalog, shot)
    catalog.record_output(made, "compose", StageOutput(ref(f"{made.key}-composed")))
    (record,) = catalog.takes([shot.key])[shot.key]
    assert record.seconds["compose"] == 2.5
    assert record.outputs["compose"].made_by == record.made_by == MADE_BY


def test_a_take_recorded_by_two_at_once_is_one_row(catalog: Catalog) -> None:
    (shot,) = planned(catalog)
    made = take(shot.key, shot.seed, 1)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: catalog.record_output(made, "compose", StageOutput(ref("c"), 1.0)), range(8)))
    assert len(catalog.takes([shot.key])[shot.key]) == 1


def test_what_belongs_to_nothing_is_refused(catalog: Catalog) -> None:
    with pytest.raises(RowMissing, match="shot 'lost' is not in the catalog"):
        catalog.record_output(take("lost", 1, 1), "compose", StageOutput(ref("c")))
    (shot,) = planned(catalog)
    _, card = scored(catalog, shot)
    with pytest.raises(RowMissing, match="take 'lost' is not in the catalog"):
        catalog.record_scorecard("lost", card)


def test_a_late_stage_does_not_undo_a_publication(catalog: Catalog) -> None:
    (shot,) = planned(catalog)
    made, card = scored(catalog, shot)
    asset = Publication(shot.key, made.key, ref("master"), {"web": ref("web")}, ref("manifest"))
    catalog.record_publication(asset, RunKey("campaign", "run-1"))
    catalog.record_publication(asset, RunKey("campaign", "run-2"))
    catalog.record_output(made, "compose", StageOutput(ref(f"{made.key}-composed")))
    catalog.record_scorecard(made.key, card)
    catalog.record_failure(shot.key, "score", "late")
    history = catalog.history(shot.key)
    assert (history.record.state, history.record.publication, history.record.run.run_id) == (
        "published",
        asset,
        "run-1",
    )


def test_totals_and_progress_count_shots_not_takes(catalog: Catalog) -> None:
    done, failed, retaken, untouched = planned(catalog, ("A", "B", "C", "D"))
    made, _ = scored(catalog, done)
    catalog.record_publication(Publication(done.key, made.key, ref("m"), {}, ref("j")), RunKey("campaign", "run-1"))
    catalog.record_failure(failed.key, "compose", "its packshot is damaged")
    scored(catalog, retaken, verdict=Verdict.RETAKE)
    catalog.record_output(take(retaken.key, retaken.seed, 2), "compose", StageOutput(ref("second")))
    assert catalog.progress("autumn") == Progress(planned=4, composed=3, refined=3, scored=3, finished=2, failed=1)
    totals = catalog.totals()
    assert {state: number for state, number in totals.items() if number} == {
        ShotState.PUBLISHED: 1,
        ShotState.FAILED: 1,
        ShotState.COMPOSED: 1,
        ShotState.PLANNED: 1,
    }
    assert untouched.key in catalog.states([untouched.key])
    assert sum(catalog.totals("spring").values()) == 0


def test_a_nights_plan_takes_the_same_few_statements_for_many_shots(catalog: Catalog) -> None:
    counts: list[int] = []
    for skus in (("A", "B"), tuple(f"S-{n}" for n in range(100))):
        statements: list[str] = []

        def count(_c: object, _cur: object, statement: str, *_rest: object, seen: list[str] = statements) -> None:
            seen.append(statement)

        planned(catalog, skus)
        event.listen(catalog.engine, "before_cursor_execute", count)
        catalog.record_plan(campaign(), plan_of(catalog, campaign()), RunKey("campaign", "again"))
        catalog.outstanding("autumn")
        event.remove(catalog.engine, "before_cursor_execute", count)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 15


def test_a_picture_that_was_lost_goes_before_a_person_again_only_if_it_comes_back_otherwise(catalog: Catalog) -> None:
    (shot,) = planned(catalog)
    made, _ = scored(catalog, shot, verdict=Verdict.REVIEW)
    review = catalog.open_review(shot.key, made.key, ["dark"])
    catalog.decide(review, "approve", "ana")
    catalog.record_loss(shot.key, "its picture is gone")
    assert catalog.outstanding("autumn") == [shot]
    assert catalog.approved_unpublished() == []
    catalog.record_output(made, "refine", StageOutput(ref(f"{made.key}-refined")))
    assert catalog.review(review).decided_by == "ana"
    catalog.record_output(made, "refine", StageOutput(ref("another picture")))
    (asked,) = catalog.reviews()
    assert (asked.id, asked.decision, asked.reasons) == (review, None, (MADE_AGAIN,))


def test_the_portrait_of_a_persona_as_it_is_now(catalog: Catalog) -> None:
    brought = persona("zoe", portrait=ref("zoe"))
    catalog.save_personas([persona("ana"), persona("bea"), brought])
    catalog.record_portrait("a" * 32, persona("ana"), StageOutput(ref("first"), 3.0, MADE_BY))
    catalog.record_portrait("b" * 32, persona("ana"), StageOutput(ref("second"), 3.0, MADE_BY))
    catalog.record_portrait("b" * 32, persona("ana"), StageOutput(ref("second")))
    assert catalog.portraits() == {"ana": ref("second"), "zoe": ref("zoe")}
    assert catalog.portrait_outputs(["b" * 32, "c" * 32]) == {"b" * 32: StageOutput(ref("second"), 3.0, MADE_BY)}
    catalog.save_personas([persona("ana", seed=8)])
    assert catalog.portraits() == {"zoe": ref("zoe")}


def test_a_row_of_a_newer_lookbook_says_so(catalog: Catalog) -> None:
    planned(catalog)
    with catalog.engine.begin() as connection:
        connection.execute(text("UPDATE shot SET spec = jsonb_set(spec, '{version}', '9')"))
    with pytest.raises(RowUnreadable, match="a shot of version 9, this Lookbook reads up to 1"):
        catalog.outstanding("autumn")


def test_an_older_shape_is_upgraded_when_it_is_read() -> None:
    def add(value: dict[str, int]) -> dict[str, int]:
        return {**value, "added": 1}

    def later(value: dict[str, int]) -> dict[str, int]:
        return {**value, "later": 2}

    column = Versioned(dict[str, int], (add, later))
    assert column.version == 3
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    assert column.process_result_value({"version": 1, "value": {"n": 0}}, dialect) == {"n": 0, "added": 1, "later": 2}
    assert column.process_result_value({"version": 2, "value": {"n": 0}}, dialect) == {"n": 0, "later": 2}
    assert column.process_bind_param({"n": 0}, dialect) == {"version": 3, "value": {"n": 0}}


def test_a_renamed_product_is_told_from_a_new_one(catalog: Catalog) -> None:
    (old,) = planned(catalog)
    made, _ = scored(catalog, old)
    catalog.record_publication(Publication(old.key, made.key, ref("m"), {}, ref("j")), RUN)
    catalog.save_products([product("MUG-1B", packshot=old.product.packshot), product("OTHER")])
    shots = plan_of(catalog, campaign(name="winter")).shots
    with catalog.begin() as session:
        found = renamed(session, shots)
    said = {shot.product.sku: found.get(shot.key) for shot in shots}
    assert said == {
        "MUG-1": "campaign 'winter' was 'autumn'",
        "MUG-1B": "SKU 'MUG-1B' was 'MUG-1', campaign 'winter' was 'autumn'",
        "OTHER": None,
    }
