"""What a log shows of a run that goes on."""

from __future__ import annotations

import pytest

from embedded import run_catalog
from embedded.run_catalog import Lines, TimeLeft
from storage.catalog.records import Progress

NOTHING = Progress(planned=4, composed=0, refined=0, scored=0, finished=0, failed=0)
HALF = Progress(planned=4, composed=4, refined=4, scored=0, finished=0, failed=0)
ALL = Progress(planned=4, composed=4, refined=4, scored=4, finished=4, failed=1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, to be moved by the test."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_lines_are_written_when_something_changed_and_not_too_often(clock: list[float]) -> None:
    lines: list[str] = []
    shown = Lines(lines.append)
    shown.show(NOTHING, "")
    shown.show(HALF, "")
    assert len(lines) == 1
    clock[0] += run_catalog.LINE_SECONDS
    shown.show(HALF, "about 20 s left")
    shown.show(HALF, "about 19 s left")
    shown.show(ALL, "")
    shown.close()
    assert lines[1:] == [
        "  of 4 shots: composed 4, refined 4, scored 0, finished 0; about 20 s left",
        "  of 4 shots: composed 4, refined 4, scored 4, finished 4",
    ]


def test_before_there_are_shots_they_are_being_planned(clock: list[float]) -> None:
    lines: list[str] = []
    Lines(lines.append).show(Progress(planned=0, composed=0, refined=0, scored=0, finished=0, failed=0), "")
    assert lines == ["  planning the shots"]


def test_time_left_goes_by_the_pace_of_this_run(clock: list[float]) -> None:
    left = TimeLeft(NOTHING)
    assert left.of(NOTHING) == ""
    clock[0] += 20
    assert left.of(HALF) == "about 20 s left"
    clock[0] += 180
    assert left.of(HALF) == "about 3 min left"
    assert left.of(ALL) == ""
