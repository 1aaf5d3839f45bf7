"""What holds when parts die, storage fails and things happen twice: seeded rounds, with what must hold after each.

A round makes a campaign of six shots in two shards while one thing goes wrong, and then looks at every row and object.
Most rounds run real servers and one process a shard, without Airflow, whose tasks' tries and pauses are imitated (four
tries; pauses of 5, 15 and 45 s, a quarter of the DAGs'); ``--airflow`` rounds run the whole embedded set-up::

    python -m benchmarks faults --rounds 42 --airflow 8 --seed 1

Exit status 1 if anything was lost, doubled, made twice, left over, hung, or needed a hand.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import results
from benchmarks.after_round import Lost, problems_of, takes_made
from benchmarks.airflow_rounds import airflow_faults, airflow_rounds
from benchmarks.outcome import Fault, Outcome
from benchmarks.rig import Rig, put_rows, rig, until
from benchmarks.s3_proxy import KINDS as S3_FAULTS
from benchmarks.shards import Delivery, Shard, delivered, planned
from benchmarks.task import DAG, STAGES
from pipeline.run import Run
from pipeline.upkeep import heal_published
from service.client import GenerationClient
from storage.bucket import keys as object_keys
from storage.catalog import runs
from storage.catalog.runs import RunKey
from storage.catalog.tables import ShotState

HUNG_SECONDS = 420.0
"""A round in which nothing moves for so long counts as hung, however slow the machine is."""
SHARES = {"500": 0.25, "503": 0.25, "slow": 0.15, "half": 0.15, "reset": 0.2, "flip": 0.1, "lost-answer": 0.2}
"""Of the requests that meet each fault."""
THRESHOLDS = """
[thresholds."prompt"]
"accept" = 0.0
"review" = 0.0

[thresholds."identity"]
"accept" = 0.968
"review" = 0.962
"""
"""Of the stand-in's noise: some takes pass, some do not, so that rounds have retakes, reviews and publications."""
KILLED = ("service-1", "s3", "postgres", "task")
KILL_STAGES = ("face", "compose", "refine", "score", "publish")
LOSABLE = {"portrait": "face", "composed": "compose", "refined": "refine", "measured": "score", "published": "publish"}
"""Objects that are lost or damaged, and the stage that makes them."""
FAKETIME = (Path("/usr/lib"), "faketime/libfaketimeMT.so.1")


def catalogue() -> list[Fault]:
    """Every fault once."""
    stages = list(STAGES)
    return [
        *(Fault("kill", part, stage) for part in KILLED for stage in KILL_STAGES),
        *(Fault("S3", kind, "all") for kind in (*S3_FAULTS, "mix")),
        *(Fault(kind, what, stage) for kind in ("missing", "damaged") for what, stage in LOSABLE.items()),
        Fault("two runs", "at once", stages[0]),
        Fault("duplicate", "delivery", stages[0]),
        Fault("disk full", "s3", "compose"),
        Fault("clock jump", "task", "compose"),
    ]


def faults_of(seed: int, count: int) -> list[Fault]:
    """A seeded order of the catalogue, as often as needed."""
    chosen: list[Fault] = []
    order = random.Random(seed)  # noqa: S311
    while len(chosen) < count:
        once = catalogue()
        order.shuffle(once)
        chosen += once
    return chosen[:count]


class Rounds:
    """Rounds on one rig."""

    def __init__(self, rig: Rig, seed: int, pauses: Sequence[float] = (5, 15, 45)) -> None:
        self.rig = rig
        self.pauses = pauses
        self._random = random.Random(seed)  # noqa: S311

    def run(self, number: int, fault: Fault) -> Outcome:
        """One round, from the rows to the verdict."""
        outcome = Outcome(number, fault)
        name, started = f"round-{number}", time.monotonic()
        self._lost, self._hit = Lost(), started
        put_rows(
            self.rig.catalog,
            self.rig.objects,
            name,
            3,
            2,
            max_takes=2,
            seed=self._random.getrandbits(32),
        )
        try:
            self._night(name, fault, outcome)
            while self._unfinished(name) and outcome.nights < 3:
                outcome.nights += 1
                self._night(name, None, outcome)
        except TimeoutError as error:
            outcome.problems.append(f"hung: {error}")
        finally:
            self.rig.proxy.faults = {}
        ended = time.monotonic()
        outcome.seconds, outcome.after = ended - started, ended - self._hit
        self.rig.wait_until_up()
        totals = self.rig.catalog.totals(name)
        outcome.states = {state.value: count for state, count in totals.items() if count}
        outcome.takes = takes_made(self.rig.catalog, name)
        outcome.problems += problems_of(
            self.rig.catalog, self.rig.objects, name, self.rig.service_logs, self.rig.services, self._lost
        )
        return outcome

    def _unfinished(self, name: str) -> int:
        totals = self.rig.catalog.totals(name)
        over = {ShotState.PUBLISHED, ShotState.REVIEW, ShotState.REJECTED, ShotState.FAILED, ShotState.SUPERSEDED}
        return sum(count for state, count in totals.items() if state not in over)

    def _night(self, name: str, fault: Fault | None, outcome: Outcome) -> None:
        """A run: planned, its shards delivered, what it published looked after."""
        if fault and fault.kind == "S3":
            kinds = SHARES if fault.target == "mix" else {fault.target: SHARES[fault.target]}
            self.rig.proxy.faults = {
                kind: share / len(kinds) if len(kinds) > 1 else share for kind, share in kinds.items()
            }
        shards = planned(self.rig, name, f"{name}-{outcome.nights}", self.pauses)
        if fault and fault.kind in {"missing", "damaged"}:
            outcome.tries = max(outcome.tries, self._deliver(shards, until_stage=fault.stage))
            self._lose(name, fault)
        wanted = [*shards, *self._twice(name, fault, shards)]
        outcome.tries = max(outcome.tries, self._deliver(wanted, fault))
        self._end({RunKey(DAG, shard.run) for shard in wanted})
        if fault and fault.stage == "publish" and fault.kind in {"missing", "damaged"}:
            self._heal(name)

    def _end(self, over: Iterable[RunKey]) -> None:
        """As a run's summary does, so that the next run may take up what it left."""
        with self.rig.catalog.begin() as session:
            for run in over:
                runs.end_run(session, run)

    def _twice(self, name: str, fault: Fault | None, shards: Sequence[Shard]) -> Sequence[Shard]:
        if fault and fault.kind == "two runs":
            return planned(self.rig, name, f"{name}-twin", self.pauses, size=2)
        return shards if fault and fault.kind == "duplicate" else ()

    def _deliver(self, shards: Sequence[Shard], fault: Fault | None = None, until_stage: str = "publish") -> int:
        """Have shards made, with the fault in the middle; returns the most tries that one took."""
        extra = self._clock(fault)
        with delivered(self.rig, shards, until_stage, self.pauses, extra) as deliveries:
            if fault:
                self._strike(fault, deliveries)
            until(
                lambda: all(each.over for each in deliveries),
                "every shard's tasks end",
                HUNG_SECONDS,
                lambda: [(each.tries, each.stage, each.log.stat().st_size) for each in deliveries],
            )
        return max((each.tries for each in deliveries), default=1)

    def _strike(self, fault: Fault, deliveries: Sequence[Delivery]) -> None:
        strike: dict[str, Callable[[], None]] = {
            "kill": lambda: self._kill(fault.target, deliveries),
            "storm": lambda: self._storm(deliveries),
            "disk full": self._fill_disk,
            "clock jump": self._jump,
        }
        if fault.kind not in strike:
            return
        until(lambda: any(each.stage == fault.stage or each.over for each in deliveries), f"stage {fault.stage}", 120)
        time.sleep(self._random.uniform(0, 1.0))
        self._hit = time.monotonic()
        strike[fault.kind]()

    def _kill(self, part: str, deliveries: Sequence[Delivery]) -> None:
        if part == "task":
            self._random.choice([each for each in deliveries if not each.over] or list(deliveries)).kill()
        else:
            self.rig.servers[part].kill()

    def _storm(self, deliveries: Sequence[Delivery]) -> None:
        for _ in range(6):
            self._kill(self._random.choice(KILLED), deliveries)
            time.sleep(self._random.uniform(1, 6))

    def _fill_disk(self) -> None:
        """Leave the S3 server's disk without room for some seconds."""
        disk = self.rig.folder / "s3"
        used = shutil.disk_usage(disk).used
        _mount("remount", disk, used // 1024 + 64)
        time.sleep(12)
        _mount("remount", disk, DISK_KIB)

    def _clock(self, fault: Fault | None) -> dict[str, str]:
        if not fault or fault.kind != "clock jump":
            return {}
        self._clock_file().write_text("+0")
        return {
            "LD_PRELOAD": str(faketime()),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock_file()),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def _clock_file(self) -> Path:
        return self.rig.folder / "clock"

    def _jump(self) -> None:
        """The tasks' clock goes ten minutes ahead, then a day back (which S3 refuses), then is right again."""
        for moved in ("+10m", "-1d", "+0"):
            self._clock_file().write_text(moved)
            time.sleep(4)

    def _lose(self, name: str, fault: Fault) -> None:
        """Delete or damage one object of the kind, of a shot drawn by chance."""
        self._hit = time.monotonic()
        keys = self._losable(name, fault.target)
        if not keys:
            return
        key = self._random.choice(keys)
        data = self.rig.objects.get(key)
        self.rig.objects.delete(key)
        if fault.kind == "damaged":
            middle = len(data) // 2
            changed = data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :]
            self.rig.objects.put(key, changed, object_keys.content_type(key))
        self._lost.add(key)

    def _losable(self, name: str, what: str) -> list[str]:
        listed = self.rig.objects.list_keys
        if what == "published":
            return sorted(listed(f"published/{name}/"))
        shots = self.rig.catalog.outstanding(name, "all")
        if what == "portrait":
            return sorted({object_keys.portrait(shot.portrait_key) for shot in shots if shot.portrait_key})
        found = (key for shot in shots for key in listed(object_keys.takes_of(shot.key)))
        return sorted(key for key in found if Path(key).name.startswith(what))

    def _heal(self, name: str) -> None:
        """What DAG ``upkeep`` does every night."""
        service = GenerationClient(
            self.rig.environment["LOOKBOOK_SERVICE_URL"], self.rig.environment["LOOKBOOK_SERVICE_TOKEN"]
        )
        with service:
            heal_published(Run(self.rig.catalog, self.rig.objects, service, RunKey("upkeep", name)))


DISK_KIB = 600 * 1024
"""Of the S3 server's own disk, where one can be mounted."""


def faketime() -> Path | None:
    """The library by which a process's clock can be moved (Debian's package libfaketime)."""
    folder, name = FAKETIME
    return next(iter(sorted(folder.glob(f"*/{name}"))), None)


def _mount(how: str, folder: Path, kib: int) -> bool:
    options = f"size={kib}k" + (",remount" if how == "remount" else "")
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True).returncode == 0


@contextmanager
def disk_of_its_own(folder: Path) -> Iterator[bool]:
    """Give the S3 server a small disk that can be filled; whether that was possible (only root may)."""
    folder.mkdir()
    mounted = os.geteuid() == 0 and _mount("new", folder, DISK_KIB)
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S607


def possible(faults: Sequence[Fault], *, disk: bool) -> tuple[list[Fault], list[str]]:
    """The faults that this machine lets happen, and what is left out for which reason."""
    reasons = {}
    if not disk:
        reasons["disk full"] = "disk full: left out, only root can mount a small disk"
    if faketime() is None:
        reasons["clock jump"] = "clock jump: left out, libfaketime is not installed (apt install libfaketime)"
    return [each for each in faults if each.kind not in reasons], sorted(reasons.values())


def main(arguments: list[str]) -> int:
    """Entry point; the exit status."""
    options = argparse.ArgumentParser(prog="python -m benchmarks faults")
    options.add_argument("--rounds", type=int, default=42, help="rounds without Airflow (default 42: each fault once)")
    options.add_argument(
        "--airflow", type=int, default=8, help="rounds on the whole set-up (default 8: each part once)"
    )
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", help="only faults whose kind, target or stage contains this")
    chosen = options.parse_args(arguments)
    outcomes: list[Outcome] = []
    left_out: list[str] = []
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as nobody where we are root
        bundle = stand_in(folder / "bundle")
        faults = [each for each in faults_of(chosen.seed, chosen.rounds) if not chosen.only or chosen.only in str(each)]
        if faults:
            left_out += _without_airflow(folder, bundle, faults, chosen.seed, outcomes)
        airflow = airflow_faults(chosen.seed, chosen.airflow)
        if airflow:
            outcomes += map(_said, airflow_rounds(folder / "home", bundle, airflow, len(outcomes) + 1))
    _report(chosen, outcomes, left_out)
    return int(any(each.problems for each in outcomes))


def stand_in(folder: Path) -> Path:
    """The stand-in bundle with cuts at which its noise now passes and now fails."""
    from generation.bundle.miniature import build

    card = build(folder, judged=True) / "bundle.toml"
    card.write_text(card.read_text().replace("\n[sha256]", f"{THRESHOLDS}\n[sha256]"))
    return folder


def _without_airflow(folder: Path, bundle: Path, faults: list[Fault], seed: int, outcomes: list[Outcome]) -> list[str]:
    with disk_of_its_own(folder / "s3") as disk:
        wanted, left_out = possible(faults, disk=disk)
        with rig(folder, bundle, seed=seed) as running:
            rounds = Rounds(running, seed)
            outcomes += [_said(rounds.run(number, fault)) for number, fault in enumerate(wanted, 1)]
    return left_out


def _said(outcome: Outcome) -> Outcome:
    print(json.dumps(outcome.row(), ensure_ascii=False), flush=True)
    return outcome


def _report(chosen: argparse.Namespace, outcomes: Sequence[Outcome], left_out: Sequence[str]) -> None:
    rows = [each.row() for each in outcomes]
    command = f"python -m benchmarks faults --rounds {chosen.rounds} --airflow {chosen.airflow} --seed {chosen.seed}"
    bad = [each for each in outcomes if each.problems]
    print(results.table(rows), *left_out, f"{len(rows)} rounds, {len(bad)} with problems", sep="\n")
    if not chosen.only:
        results.keep("faults", command, rows, left_out=list(left_out))
