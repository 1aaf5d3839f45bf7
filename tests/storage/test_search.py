"""Finding shots and reviews."""

from __future__ import annotations

from typing import Any

import pytest

from brief.types import Framing, Verdict
from storage.catalog import runs, search
from storage.catalog.catalog import Catalog
from storage.catalog.runs import RunKey
from storage.catalog.search import BadCursor, Order, ReviewOrder, ReviewSearch, ShotSearch, ShownIn
from storage.catalog.tables import ShotState
from tests.storage.samples import planned, product, scored

SKUS = ("MUG-RED-01", "MUG-RED-02", "VASE_1", "VASE%2")


def found(catalog: Catalog, **wanted: object) -> list[str]:
    with catalog.begin() as session:
        page = search.find(session, ShotSearch(**{"order": Order.SKU, **wanted}))  # type: ignore[arg-type]
    return [record.shot.product.sku for record in page.shots]


@pytest.fixture
def filled(catalog: Catalog) -> Catalog:
    planned(catalog, SKUS)
    catalog.save_products(product(sku, title="blue vase", category="vase") for sku in SKUS[2:])
    return catalog


@pytest.mark.parametrize(
    ("text", "skus"),
    [
        ("mug", SKUS[:2]),
        ("red-01", SKUS[:1]),
        ("MUG beach", SKUS[:2]),
        ("mug forest", ()),
        ("AUTUMN ana red MUG", SKUS[:2]),
        ("Blue", SKUS[2:]),
        ("_", ("VASE_1",)),
        ("%", ("VASE%2",)),
        ("'; drop table shot", ()),
    ],
)
def test_words_are_found_in_parts_and_in_any_case(filled: Catalog, text: str, skus: tuple[str, ...]) -> None:
    assert sorted(found(filled, shown=ShownIn(text=text))) == sorted(skus)


def test_lists_narrow(filled: Catalog) -> None:
    assert len(found(filled, shown=ShownIn(persona="ana", environment="beach", framing="held"))) == 4
    assert found(filled, shown=ShownIn(framing=Framing.STILL.value)) == []
    assert found(filled, sku="VASE_1") == ["VASE_1"]
    assert found(filled, state=ShotState.FAILED) == []


@pytest.mark.parametrize("order", list(Order))
def test_pages_show_every_shot_once_and_in_order(filled: Catalog, order: Order) -> None:
    seen: list[str] = []
    mark: str | None = ""
    while mark is not None:
        with filled.begin() as session:
            page = search.find(session, ShotSearch(order=order), after=mark, limit=3)
        assert page.total == 4
        seen += [record.shot.key for record in page.shots]
        mark = page.mark
    with filled.begin() as session:
        assert seen == search.keys(session, ShotSearch(order=order), 100)
    assert len(set(seen)) == 4


@pytest.mark.parametrize("mark", ["nonsense", "~", "yesterday~abc", "2026-01-01T00:00:00+00:00~"])
def test_a_mark_that_no_page_gave_out_is_refused(filled: Catalog, mark: str) -> None:
    with pytest.raises(BadCursor), filled.begin() as session:
        search.find(session, ShotSearch(), after=mark)


def test_a_run_shows_its_own_shots(filled: Catalog) -> None:
    with filled.begin() as session:
        (first, *_) = search.keys(session, ShotSearch(order=Order.SKU), 9)
        runs.record_run(session, RunKey("catalog", "a"), {}, {}, [[first]])
    assert found(filled, run=RunKey("catalog", "a")) == ["MUG-RED-01"]
    assert found(filled, run=RunKey("campaign", "a")) == []


def test_waiting_reviews_by_reason_and_score(catalog: Catalog) -> None:
    shots = planned(catalog, SKUS[:3])
    opened = []
    for number, shot in enumerate(shots):
        take, _ = scored(catalog, shot, verdict=Verdict.REVIEW, value=(0.5, 0.9, 0.7)[number])
        opened.append(catalog.open_review(shot.key, take.key, [("dark", "Soft", "dark")[number]]))

    def waiting(**wanted: Any) -> list[int]:
        """Page by page of one, and the same by stepping from each to the next."""
        wish = ReviewSearch(**wanted)
        mark: str | None = ""
        ids: list[int] = []
        with catalog.begin() as session:
            while mark is not None:
                page = search.find_reviews(session, wish, after=mark, limit=1)
                ids += [record.id for record in page.reviews]
                mark = page.mark
            beside = [search.neighbours(session, wish, each) for each in ids]
        assert [each.after for each in beside] == [*ids[1:], None]
        assert [each.before for each in beside] == [None, *ids[:-1]]
        assert [(each.at, each.total) for each in beside] == [(at + 1, page.total) for at in range(len(ids))]
        return ids

    assert waiting() == opened
    assert waiting(order=ReviewOrder.NEWEST) == opened[::-1]
    assert waiting(order=ReviewOrder.BEST) == [opened[1], opened[2], opened[0]]
    assert waiting(order=ReviewOrder.WORST) == [opened[0], opened[2], opened[1]]
    assert waiting(reason="soft") == [opened[1]]
    assert waiting(shown=ShownIn(text=shots[2].product.sku)) == [opened[2]]
    with catalog.begin() as session:
        assert search.waiting_count(session) == 3
        for mark in ("nonsense", "~", "0.5~99999999999999999999"):
            with pytest.raises(BadCursor):
                search.find_reviews(session, ReviewSearch(), after=mark)
        assert [each.id for each in search.reviews_by_id(session, [opened[2], 99, opened[0]])] == [opened[2], opened[0]]
    catalog.decide(opened[0], "approve", "ana")
    with catalog.begin() as session:
        assert search.waiting_count(session) == 2
