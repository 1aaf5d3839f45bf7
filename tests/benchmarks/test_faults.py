"""A short series of fault rounds on real servers; the long one is ``make faults``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.faults import Rounds, catalogue, stand_in
from benchmarks.outcome import Fault
from benchmarks.rig import Rig, rig

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
SERIES = (
    Fault("kill", "service-1", "compose"),
    Fault("kill", "postgres", "refine"),
    Fault("S3", "mix", "all"),
    Fault("damaged", "refined", "refine"),
    Fault("duplicate", "delivery", "face"),
)


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rounds]:
    folder = tmp_path_factory.mktemp("faults")
    running: Rig
    with rig(folder, stand_in(folder / "bundle"), seed=7) as running:
        yield Rounds(running, seed=7, pauses=(2, 5, 15))


@pytest.mark.parametrize("fault", SERIES, ids=lambda fault: f"{fault.kind} {fault.target} at {fault.stage}")
def test_nothing_is_lost_doubled_made_twice_or_left_over(rounds: Rounds, fault: Fault) -> None:
    outcome = rounds.run(SERIES.index(fault), fault)
    assert outcome.problems == []
    assert sum(outcome.states.values()) == 6


def test_the_series_is_part_of_the_catalogue() -> None:
    assert set(SERIES) <= set(catalogue())
