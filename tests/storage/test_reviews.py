"""Reviews and the gallery's questions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from brief.types import Publication, Verdict
from storage.catalog.catalog import Catalog
from storage.catalog.errors import AlreadyDecided, RowMissing
from storage.catalog.gallery import ShotFilter
from storage.catalog.runs import RunKey
from storage.catalog.tables import Decision, ShotState
from tests.storage.samples import campaign, plan_of, planned, ref, scored


def test_a_review_waits_is_approved_and_published(catalog: Catalog) -> None:
    (shot,) = planned(catalog)
    made, card = scored(catalog, shot, verdict=Verdict.REVIEW)
    number = catalog.open_review(shot.key, made.key, ["the product is small", "dark"])
    assert catalog.open_review(shot.key, made.key, ["asked again"]) == number
    (waiting,) = catalog.reviews()
    assert (waiting.shot, waiting.take.scorecard, waiting.reasons) == (shot, card, ("asked again",))
    assert catalog.approved_unpublished() == []
    catalog.decide(number, Decision.APPROVE, "ana", "lovely")
    assert catalog.reviews() == []
    assert [each.id for each in catalog.approved_unpublished()] == [number]
    catalog.record_publication(Publication(shot.key, made.key, ref("m"), {}, ref("j")), RunKey("campaign", "run-1"))
    assert catalog.approved_unpublished() == []
    (answered,) = catalog.reviews(waiting=False)
    assert (answered.decision, answered.decided_by, answered.note) == (Decision.APPROVE, "ana", "lovely")


def test_a_second_answer_is_refused_with_who_gave_the_first(catalog: Catalog) -> None:
    (shot,) = planned(catalog)
    number = catalog.open_review(shot.key, scored(catalog, shot)[0].key, ["dark"])
    catalog.decide(number, "reject", "ana", "too dark")
    with pytest.raises(AlreadyDecided, match=f"review {number} was rejected by ana: too dark on 20"):
        catalog.decide(number, "approve", "ben")
    record = catalog.history(shot.key).record
    assert (record.state, record.reason) == (ShotState.REJECTED, "rejected by ana: too dark")
    assert catalog.review(number).decided_by == "ana"


def test_a_review_opened_again_after_its_answer_keeps_the_answer(catalog: Catalog) -> None:
    (shot,) = planned(catalog)
    made, card = scored(catalog, shot)
    number = catalog.open_review(shot.key, made.key, ["dark"])
    catalog.decide(number, "reject", "ana", "too dark")
    catalog.record_scorecard(made.key, card)
    assert catalog.open_review(shot.key, made.key, ["dark"]) == number
    assert catalog.history(shot.key).record.reason == "rejected by ana: too dark"


def test_one_of_two_answers_at_once_counts(catalog: Catalog) -> None:
    (shot,) = planned(catalog)
    number = catalog.open_review(shot.key, scored(catalog, shot)[0].key, ["dark"])

    def answer(who: str) -> str | None:
        try:
            catalog.decide(number, "approve", who)
        except AlreadyDecided:
            return None
        return who

    with ThreadPoolExecutor(4) as pool:
        winners = [who for who in pool.map(answer, ["ana", "ben", "cem", "dia"]) if who]
    assert [catalog.review(number).decided_by] == winners


def test_unknown_reviews_and_answers_are_refused(catalog: Catalog) -> None:
    with pytest.raises(RowMissing, match="no review 77"):
        catalog.decide(77, "approve", "ana")
    with pytest.raises(RowMissing, match="no review 77"):
        catalog.review(77)
    with pytest.raises(ValueError, match="maybe"):
        catalog.decide(77, "maybe", "ana")


def test_the_gallery_pages_filters_and_shows_the_published_take(catalog: Catalog) -> None:
    shots = planned(catalog, ("A", "B", "C"), environments=("beach", "forest"))
    for shot in shots[:2]:
        first, _ = scored(catalog, shot)
        scored(catalog, shot, number=2, verdict=Verdict.REJECT)
        catalog.record_publication(
            Publication(shot.key, first.key, ref("m"), {"web": ref("w")}, ref("j")), RunKey("campaign", "run-9")
        )
    catalog.record_failure(shots[2].key, "compose", "its packshot is damaged")
    page = catalog.find_shots(ShotFilter(campaign="autumn"), limit=4)
    assert (len(page.shots), page.total) == (4, 6)
    rest = catalog.find_shots(ShotFilter(campaign="autumn"), offset=4, limit=4)
    assert {record.shot.key for record in (*page.shots, *rest.shots)} == {shot.key for shot in shots}
    published = catalog.find_shots(ShotFilter(run=RunKey("campaign", "run-9"), state=ShotState.PUBLISHED))
    assert {record.shot.key for record in published.shots} == {shot.key for shot in shots[:2]}
    assert all(record.take and record.take.take.number == 1 and record.publication for record in published.shots)
    (failed,) = catalog.find_shots(ShotFilter(state=ShotState.FAILED)).shots
    assert failed.reason == "compose: its packshot is damaged"
    assert catalog.find_shots(ShotFilter(sku="B", environment="forest", persona="ana")).total == 1
    assert catalog.find_shots(ShotFilter(persona="nobody")).shots == ()


def test_a_shots_history_has_all_takes_and_reviews(catalog: Catalog) -> None:
    (shot,) = planned(catalog)
    for number in (1, 2):
        made, _ = scored(catalog, shot, number=number, verdict=Verdict.REVIEW)
        catalog.open_review(shot.key, made.key, [f"take {number}"])
    history = catalog.history(shot.key)
    assert [each.take.number for each in history.takes] == [1, 2]
    assert [each.reasons for each in history.reviews] == [("take 1",), ("take 2",)]
    with pytest.raises(RowMissing, match="shot 'lost'"):
        catalog.history("lost")


def test_two_dags_with_the_same_run_id_keep_their_pictures_apart(catalog: Catalog) -> None:
    night = "scheduled__2026-11-25T02:00:00+00:00"
    for name, dag in (("autumn", "catalog"), ("spring", "upkeep")):
        wanted = campaign(name)
        planned(catalog)
        catalog.save_campaigns([wanted])
        catalog.record_plan(wanted, plan_of(catalog, wanted), RunKey(dag, night))
    (of_upkeep,) = catalog.find_shots(ShotFilter(run=RunKey("upkeep", night))).shots
    assert (of_upkeep.shot.campaign, of_upkeep.run) == ("spring", RunKey("upkeep", night))
    assert catalog.find_shots(ShotFilter(run=RunKey("catalog", night))).total == 0
    assert catalog.find_shots(ShotFilter(run=RunKey("", night))).total == 1
