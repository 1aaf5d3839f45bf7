"""Runs and the shots that they took up."""

from __future__ import annotations

from storage.catalog import runs
from storage.catalog.catalog import Catalog
from storage.catalog.runs import RunKey
from storage.catalog.tables import ShotState
from tests.storage.samples import planned

NIGHT = "scheduled__2026-11-25T02:00:00+00:00"


def test_runs_of_two_dags_with_the_same_id_stay_apart(catalog: Catalog) -> None:
    first, second = planned(catalog, ("MUG-1", "MUG-2"))
    catalog.record_failure(second.key, "compose", "lost")
    one, other = RunKey("catalog", NIGHT), RunKey("upkeep", NIGHT)
    with catalog.begin() as session:
        runs.record_run(session, one, {"reprocess": "missing"}, {}, [[first.key, second.key]])
        runs.record_run(session, other, {}, {}, [])
    with catalog.begin() as session:
        totals = runs.run_totals(session, one)
        assert (totals[ShotState.PLANNED], totals[ShotState.FAILED]) == (1, 1)
        assert sum(runs.run_totals(session, other).values()) == 0
        assert runs.runs_of(session, first.key) == [one]


def test_a_shot_that_two_runs_take_up_belongs_to_both(catalog: Catalog) -> None:
    (shot,) = planned(catalog)
    keys = [RunKey("catalog", "a"), RunKey("campaign", "b")]
    for key in keys:
        with catalog.begin() as session:
            runs.record_run(session, key, {}, {}, [[shot.key]])
    with catalog.begin() as session:
        assert runs.runs_of(session, shot.key) == list(reversed(keys))
        assert [runs.run_shots(session, key) for key in keys] == [[shot.key], [shot.key]]


def test_a_plan_that_is_made_again_adds_shots_and_opens_the_run_again(catalog: Catalog) -> None:
    first, second = planned(catalog, ("MUG-1", "MUG-2"))
    key = RunKey("catalog", "a")
    with catalog.begin() as session:
        runs.record_run(session, key, {}, {"try": 1}, [[first.key]])
        runs.end_run(session, key)
    with catalog.begin() as session:
        ended = runs.run(session, key)
        assert ended is not None
        assert ended.ended_at is not None
        runs.record_run(session, key, {}, {"try": 2}, [[first.key, second.key]])
    with catalog.begin() as session:
        again = runs.run(session, key)
        assert again is not None
        assert (again.found, again.ended_at) == ({"try": 2}, None)
        assert len(runs.run_shots(session, key)) == 2
        assert runs.run(session, RunKey("campaign", "a")) is None
        assert [each.key for each in runs.latest_runs(session)] == [key]
