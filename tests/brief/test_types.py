"""The domain's types go through JSON unchanged, since the service, Airflow and the catalog pass them on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from brief.plan import plan
from brief.recipe import take
from brief.types import Campaign, Finding, Framing, Measurements, Reason, Scorecard, Shot, Take, Verdict
from tests.storage.samples import BUNDLE, campaign, environment, persona, product


def shots() -> tuple[Shot, ...]:
    wanted = campaign(framings=(Framing.HELD, Framing.STILL))
    return plan(wanted, {"MUG-1": product()}, {"beach": environment()}, {"ana": persona()}, BUNDLE).shots


def test_shots_takes_and_scorecards_survive_json() -> None:
    for shot in shots():
        adapter = TypeAdapter(Shot)
        assert adapter.validate_json(adapter.dump_json(shot)) == shot
    made = take("a" * 32, 7, 2, {"steps": 12.0})
    assert TypeAdapter(Take).validate_json(TypeAdapter(Take).dump_json(made)) == made
    measured = Measurements({"product": 0.5}, {"prompt": "no model"}, ("identity",), {"product": 0.2}, "f" * 32)
    card = Scorecard(measured, Verdict.RETAKE, (Finding(Reason.LOW, "product", 0.5, 0.6),))
    assert TypeAdapter(Scorecard).validate_json(TypeAdapter(Scorecard).dump_json(card)) == card


def test_a_face_that_is_not_allowed_is_refused_on_the_way_in() -> None:
    values = TypeAdapter(Shot).dump_python(shots()[0], mode="json")
    values["persona"]["face"]["age_band"] = "ancient"
    with pytest.raises(ValidationError, match="should be 'young adult', 'adult'"):
        TypeAdapter(Shot).validate_python(values)


def test_only_a_still_shows_nobody() -> None:
    assert [framing for framing in Framing if not framing.has_person] == [Framing.STILL]


@pytest.mark.parametrize(
    ("make", "field", "most"),
    [(product, "title", 300), (product, "category", 1000), (environment, "description", 1000)],
)
def test_a_text_has_a_limit(make: Callable[..., Any], field: str, most: int) -> None:
    assert len(getattr(make(**{field: "x" * most}), field)) == most
    with pytest.raises(ValidationError, match=f"at most {most}"):
        make(**{field: "x" * (most + 1)})


@pytest.mark.parametrize(("field", "most"), [("variants", 100), ("max_shots", 100_000_000)])
def test_a_campaigns_numbers_have_limits(field: str, most: int) -> None:
    make: Callable[..., Campaign] = campaign
    assert getattr(make(**{field: most}), field) == most
    with pytest.raises(ValidationError, match=f"less than or equal to {most}"):
        make(**{field: most + 1})
