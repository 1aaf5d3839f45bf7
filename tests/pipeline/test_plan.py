"""Cutting shots into shards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.plan import MOST_SHARDS, cut, usual_shard_size
from storage.catalog.shots import Chosen

MANY = [Chosen(f"{number:032x}", "autumn", f"MUG-{number}") for number in range(60)]


@given(st.integers(0, 60), st.integers(1, 20), st.integers(1, 12))
def test_every_shot_is_in_one_shard_and_there_are_never_too_many(count: int, size: int, most: int) -> None:
    parts = cut(MANY[:count], size, most)
    assert [key for part in parts for key in part.keys] == [shot.key for shot in MANY[:count]]
    assert [part.number for part in parts] == list(range(len(parts)))
    assert len(parts) <= most
    if count <= size * most:
        assert all(len(part.keys) <= size for part in parts)


def test_a_shard_is_named_after_its_products() -> None:
    (one,) = cut(MANY[:1], 8)
    assert one.name == f"{MANY[0].sku} (1 shot)"
    (many,) = cut(MANY[:5], 8)
    assert many.name.endswith("and 2 more (5 shots)")


SKUS = st.text("ABCabc-_0189éß漢", min_size=1, max_size=128)


@given(st.lists(SKUS, min_size=1, max_size=12))
def test_a_name_fits_into_airflows_column_however_long_the_skus_are(skus: list[str]) -> None:
    long = [shot._replace(sku=sku) for shot, sku in zip(MANY[:12], skus, strict=False)]
    (shard,) = cut(long, 12)
    assert len(shard.name) <= 250
    assert shard.name.startswith(skus[0][:50])


def test_shards_grow_with_the_run_and_leave_each_service_several() -> None:
    sizes = {(26, 1): 8, (100, 1): 25, (100, 2): 13, (1000, 1): 64, (1000, 8): 32, (10**6, 1): 64, (0, 1): 8}
    assert {case: usual_shard_size(*case) for case in sizes} == sizes


def test_airflow_maps_over_no_more_than_it_can() -> None:
    assert MOST_SHARDS == 1024


def test_a_shard_holds_something() -> None:
    with pytest.raises(ValueError, match="shard_size is 0"):
        cut(MANY, 0)
