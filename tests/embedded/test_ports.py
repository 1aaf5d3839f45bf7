"""Ports: the expected ones where they are free, others where they are not."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from embedded.ports import GRPC_OFFSET, free_port


@pytest.fixture
def taken() -> int:
    return free_port(42_000)


@pytest.fixture(autouse=True)
def listener(taken: int) -> Iterator[None]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", taken))
        server.listen()
        yield


def test_a_free_port_is_kept(taken: int) -> None:
    wanted = free_port(taken + 1)
    assert free_port(wanted) == wanted


def test_a_taken_port_gives_the_next_one(taken: int) -> None:
    assert free_port(taken) > taken


def test_ports_given_to_others_are_left_out(taken: int) -> None:
    first = free_port(taken)
    assert free_port(first, {first}) > first


def test_a_taken_twin_counts_where_it_is_needed(taken: int) -> None:
    assert free_port(taken - GRPC_OFFSET, with_twin=True) > taken - GRPC_OFFSET
    assert free_port(taken - GRPC_OFFSET) == taken - GRPC_OFFSET
