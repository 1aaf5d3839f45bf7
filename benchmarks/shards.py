"""A run without Airflow: plans and shards as processes that are tried again, each of which can be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from benchmarks.rig import ROOT, Rig

_NUMBERS = count(1)


@dataclass(frozen=True)
class Shard:
    """Keys of shots that go through the stages together, on behalf of ``run``."""

    run: str
    keys: tuple[str, ...]


def planned(rig: Rig, campaign: str, run: str, pauses: Sequence[float], size: int = 3) -> list[Shard]:
    """Plan a campaign in a process of its own, tried again after each of ``pauses``.

    Raises:
        TimeoutError: the last try failed as well; carries its output.
    """
    said = ""
    for pause in (*pauses, None):
        done = _process(rig, ["plan", campaign, run, str(size)], rig.folder / "plans.log")
        answer, _ = done.communicate()
        if done.returncode == 0:
            return [Shard(run, tuple(each["keys"])) for each in json.loads(answer)]
        said = (rig.folder / "plans.log").read_text()[-800:]
        if pause is not None:
            time.sleep(pause)
    raise TimeoutError(f"planning failed {len(pauses) + 1} times: {said}")


@dataclass
class Delivery:
    """One shard's task: its tries, the stage it is at, and whether it is over, well or not."""

    rig: Rig
    shard: Shard
    last: str
    pauses: Sequence[float]
    extra: Mapping[str, str]
    tries: int = 0
    stage: str = ""
    over: bool = False
    failed: bool = False
    log: Path = field(init=False)
    _process: subprocess.Popen[bytes] | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.log = self.rig.folder / f"shard-{next(_NUMBERS)}.log"
        self.log.touch()  # looked at before the first try begins

    def run(self) -> None:
        """Try until it succeeds or the tries are used up."""
        for pause in (*self.pauses, None):
            if self._ended.is_set():
                break
            self.tries += 1
            arguments = ["shard", self.shard.run, self.last, *self.shard.keys]
            self._process = _process(self.rig, arguments, self.log, self.extra)
            assert self._process.stdout is not None
            with self._process.stdout as said:
                for line in said:
                    self.stage = line.decode().strip()
            self.failed = self._process.wait() != 0
            if not self.failed or pause is None:
                break
            self._ended.wait(pause)
        self.over = True

    def kill(self) -> None:
        """As the OOM killer does."""
        if self._process is not None:
            self._process.kill()

    def end(self) -> None:
        """Kill, and try no more."""
        self._ended.set()
        self.kill()


@contextmanager
def delivered(
    rig: Rig, shards: Sequence[Shard], last: str, pauses: Sequence[float], extra: Mapping[str, str]
) -> Iterator[list[Delivery]]:
    """The shards' tasks at once, up to stage ``last``; none is left at the end."""
    deliveries = [Delivery(rig, shard, last, pauses, extra) for shard in shards]
    threads = [threading.Thread(target=each.run, daemon=True) for each in deliveries]
    for thread in threads:
        thread.start()
    try:
        yield deliveries
    finally:
        for each in deliveries:
            each.end()
        for thread in threads:
            thread.join()


def _process(
    rig: Rig, arguments: list[str], log: Path, extra: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **rig.environment, **(extra or {})}
    command = [sys.executable, "-m", "benchmarks.task", *arguments]
    with log.open("ab") as said:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=said)
