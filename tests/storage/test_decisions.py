"""What a person decides: approve, turn down, ask for another take, take back, withdraw; and the log of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from brief.types import Publication, Shot, Take, Verdict
from storage.catalog import audit, decisions
from storage.catalog.catalog import Catalog
from storage.catalog.decisions import NotAllowed, RetakeChanges
from storage.catalog.errors import AlreadyDecided, RowMissing
from storage.catalog.records import StageOutput
from storage.catalog.runs import RunKey
from storage.catalog.tables import Decision, ShotState
from tests.storage.samples import planned, ref, scored


@pytest.fixture
def waiting(catalog: Catalog) -> tuple[Shot, Take, int]:
    """A shot, its doubtful take and the id of the review that waits."""
    (shot,) = planned(catalog)
    take, _ = scored(catalog, shot, verdict=Verdict.REVIEW)
    return shot, take, catalog.open_review(shot.key, take.key, ["the product is small"])


def publish(catalog: Catalog, shot: Shot, take: Take) -> None:
    catalog.record_publication(
        Publication(shot.key, take.key, ref("m"), {"hero": ref("h")}, ref("j")), RunKey("campaign", "run-1")
    )


def test_rejecting_needs_a_reason(catalog: Catalog, waiting: tuple[Shot, Take, int]) -> None:
    with pytest.raises(NotAllowed, match="say why"), catalog.begin() as session:
        decisions.decide(session, waiting[2], Decision.REJECT, "ana", "  ")
    assert catalog.review(waiting[2]).decision is None


def test_every_answer_is_in_the_audit_log(catalog: Catalog, waiting: tuple[Shot, Take, int]) -> None:
    shot, _take, review = waiting
    with catalog.begin() as session:
        decisions.decide(session, review, Decision.REJECT, "ana", "face is wrong")
    with catalog.begin() as session:
        (entry,) = audit.entries(session, audit.AuditFilter(text="FACE"))
        assert audit.entries(session, audit.AuditFilter(who="ben")) == []
    assert (entry.who, entry.action, entry.shot_key, entry.sku, entry.campaign, entry.why) == (
        "ana",
        "reject",
        shot.key,
        "MUG-1",
        "autumn",
        "face is wrong",
    )
    assert entry.details == {"review": review, "take": 1}


def test_a_retake_is_a_new_take_with_the_steering_of_its_note(
    catalog: Catalog, waiting: tuple[Shot, Take, int]
) -> None:
    shot, take, review = waiting
    with catalog.begin() as session:
        steering = RetakeChanges("warm evening light", {"guidance": 6.0})
        decisions.decide(session, review, Decision.RETAKE, "ana", "too cold", steering)
    new = catalog.takes([shot.key])[shot.key][-1]
    assert (new.take.number, new.take.words, new.take.changes) == (2, "warm evening light", {"guidance": 6.0})
    assert new.take.seed != take.seed
    assert new.composed is None
    record = catalog.history(shot.key).record
    assert (record.state, record.reason) == (ShotState.PLANNED, "another take asked for by ana: too cold")
    assert [each.key for each in catalog.outstanding("autumn")] == [shot.key]
    with catalog.begin() as session:
        assert decisions.asked_for(session, [shot.key]) == {new.take.key}


def test_a_retake_that_waits_is_not_asked_for_twice(catalog: Catalog, waiting: tuple[Shot, Take, int]) -> None:
    shot, _, review = waiting
    with catalog.begin() as session:
        decisions.decide(session, review, Decision.RETAKE, "ana", "too cold")
    with pytest.raises(AlreadyDecided, match=r"take 2 .* was asked for already"), catalog.begin() as session:
        decisions.ask_for_retake(session, shot.key, "ben", "darker")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"strength": 1.0}, "no 'strength'"),
        ({"guidance": float("nan")}, "guidance"),
        ({"product_strength": 99.0}, "0 to 1.5"),
    ],
)
def test_a_steering_that_no_recipe_takes_is_refused(
    catalog: Catalog, waiting: tuple[Shot, Take, int], changes: dict[str, float], said: str
) -> None:
    with pytest.raises(NotAllowed, match=said), catalog.begin() as session:
        decisions.decide(session, waiting[2], Decision.RETAKE, "ana", "cold", RetakeChanges("", changes))
    assert catalog.review(waiting[2]).decision is None


class TestUndo:
    """Taking an answer back."""

    @pytest.mark.parametrize("decision", [Decision.APPROVE, Decision.REJECT, Decision.RETAKE])
    def test_an_answer_taken_back_waits_again(
        self, catalog: Catalog, waiting: tuple[Shot, Take, int], decision: Decision
    ) -> None:
        shot, _take, review = waiting
        with catalog.begin() as session:
            decisions.decide(session, review, decision, "ana", "by mistake")
        with catalog.begin() as session:
            assert decisions.undo(session, review, "ana") is None
        (again,) = catalog.reviews()
        assert (again.id, again.decision, again.reasons) == (review, None, ("the product is small",))
        assert catalog.history(shot.key).record.state is ShotState.REVIEW
        assert [each.take.number for each in catalog.takes([shot.key])[shot.key]] == [1]
        with catalog.begin() as session:
            assert [each.action for each in audit.entries(session, audit.AuditFilter())] == ["undo", decision.value]

    def test_a_published_approval_taken_back_names_what_leaves_the_bucket(
        self, catalog: Catalog, waiting: tuple[Shot, Take, int]
    ) -> None:
        shot, take, review = waiting
        with catalog.begin() as session:
            decisions.decide(session, review, Decision.APPROVE, "ana", "")
        publish(catalog, shot, take)
        with catalog.begin() as session:
            gone = decisions.undo(session, review, "ana")
        assert gone is not None
        assert gone.key == shot.key
        record = catalog.history(shot.key).record
        assert (record.state, record.publication) == (ShotState.REVIEW, None)

    def test_after_a_while_it_is_too_late(self, catalog: Catalog, waiting: tuple[Shot, Take, int]) -> None:
        review = waiting[2]
        with catalog.begin() as session:
            decisions.decide(session, review, Decision.REJECT, "ana", "dark")
        later = datetime.now(UTC) + decisions.UNDO + timedelta(seconds=1)
        with pytest.raises(NotAllowed, match="too late"), catalog.begin() as session:
            decisions.undo(session, review, "ana", now=later)

    def test_a_retake_that_is_being_made_is_not_taken_back(
        self, catalog: Catalog, waiting: tuple[Shot, Take, int]
    ) -> None:
        shot, _, review = waiting
        with catalog.begin() as session:
            decisions.decide(session, review, Decision.RETAKE, "ana", "dark")
        new = catalog.takes([shot.key])[shot.key][-1].take
        catalog.record_output(new, "compose", StageOutput(ref("c"), 1.0))
        with pytest.raises(NotAllowed, match="is being made"), catalog.begin() as session:
            decisions.undo(session, review, "ana")

    def test_nothing_to_take_back(self, catalog: Catalog, waiting: tuple[Shot, Take, int]) -> None:
        with pytest.raises(NotAllowed, match="waits"), catalog.begin() as session:
            decisions.undo(session, waiting[2], "ana")
        with pytest.raises(RowMissing), catalog.begin() as session:
            decisions.undo(session, 999, "ana")


def test_a_withdrawn_picture_is_turned_down_and_its_take_does_not_come_back(catalog: Catalog) -> None:
    (shot,) = planned(catalog)
    take, _ = scored(catalog, shot)
    publish(catalog, shot, take)
    with catalog.begin() as session:
        decisions.withdraw(session, shot.key, "ana", "logo is not ours")
    history = catalog.history(shot.key)
    assert (history.record.state, history.record.publication) == (ShotState.REJECTED, None)
    assert history.record.reason == "withdrawn by ana: logo is not ours"
    assert [(each.decision, each.decided_by) for each in history.reviews] == [(Decision.REJECT, "ana")]
    with catalog.begin() as session:
        (entry,) = audit.entries(session, audit.AuditFilter(action="withdraw"))
        assert entry.details["master"] == ref("m").key
    with pytest.raises(NotAllowed, match="is not published"), catalog.begin() as session:
        decisions.withdraw(session, shot.key, "ana", "again")
