"""What must hold after a round, looked up in every row and object of its campaign."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from sqlalchemy import func, select, text

from brief.types import ImageRef, Shot
from pipeline.provenance import ManifestDamaged, read_manifest
from storage.bucket import keys as object_keys
from storage.bucket.errors import ObjectDamaged, ObjectMissing
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.catalog.tables import PublicationRow, ReviewRow, ShotRow, ShotState, TakeRow

SETTLED = {ShotState.PUBLISHED, ShotState.REVIEW, ShotState.REJECTED}


@dataclass
class Lost:
    """Objects that the round itself took away or damaged: these may be made once more."""

    keys: set[str] = field(default_factory=set)

    def add(self, key: str) -> None:
        self.keys.add(key)


def problems_of(
    catalog: Catalog, objects: Objects, campaign: str, logs: Sequence[Path], services: Sequence[str], lost: Lost
) -> list[str]:
    """What does not hold, in words; empty where all does."""
    shots = _shots(catalog, campaign)
    return [
        *_unsettled(shots),
        *_rows(catalog, [shot.key for shot, _, _ in shots]),
        *_objects(catalog, objects, [(shot, state) for shot, state, _ in shots]),
        *_made_twice([shot for shot, _, _ in shots], catalog, logs, lost),
        *_left_over(catalog, services),
    ]


def takes_made(catalog: Catalog, campaign: str) -> int:
    """Takes of the campaign's shots."""
    query = select(func.count()).select_from(TakeRow).join(ShotRow, ShotRow.key == TakeRow.shot_key)
    with catalog.begin() as session:
        return session.scalar(query.where(ShotRow.campaign == campaign)) or 0


def _shots(catalog: Catalog, campaign: str) -> list[tuple[Shot, ShotState, str | None]]:
    query = select(ShotRow.spec, ShotRow.state, ShotRow.reason).where(ShotRow.campaign == campaign)
    with catalog.begin() as session:
        return [(spec, state, reason) for spec, state, reason in session.execute(query.order_by(ShotRow.key))]


def _unsettled(shots: Sequence[tuple[Shot, ShotState, str | None]]) -> Iterator[str]:
    if not shots:
        yield "nothing was planned"
    for shot, state, reason in shots:
        if state not in SETTLED:
            yield f"{shot.product.sku} in {shot.environment.name} ended {state.value}: {(reason or 'no reason')[:160]}"


def _rows(catalog: Catalog, keys: Sequence[str]) -> Iterator[str]:
    """One publication of what is published, one open review of what is in review, takes without gaps."""
    with catalog.begin() as session:
        published = set(session.scalars(select(PublicationRow.shot_key).where(PublicationRow.shot_key.in_(keys))))
        open_reviews = Counter(
            session.scalars(
                select(ReviewRow.shot_key).where(ReviewRow.shot_key.in_(keys), ReviewRow.decision.is_(None))
            )
        )
    states = catalog.states(keys)
    for key, state in states.items():
        if (state is ShotState.PUBLISHED) != (key in published):
            yield f"{key[:8]} is {state.value}, its publication's row says otherwise"
        if (state is ShotState.REVIEW) != (open_reviews[key] == 1):
            yield f"{key[:8]} is {state.value} with {open_reviews[key]} open reviews"
    for key, takes in catalog.takes(keys).items():
        if [each.take.number for each in takes] != list(range(1, len(takes) + 1)):
            yield f"{key[:8]} has takes {[each.take.number for each in takes]}"


def _objects(catalog: Catalog, objects: Objects, shots: Sequence[tuple[Shot, ShotState]]) -> Iterator[str]:
    """Every recorded object is there and whole, every object is recorded, manifests agree with rows."""
    takes = catalog.takes([shot.key for shot, _ in shots])
    for shot, state in shots:
        expected = [output.ref for record in takes[shot.key] for output in record.outputs.values()]
        yield from _differing(objects, expected)
        stray = set(objects.list_keys(object_keys.takes_of(shot.key))) - {ref.key for ref in expected}
        yield from (f"{key} belongs to no row" for key in stray)
        publication = catalog.history(shot.key).record.publication
        there = set(objects.list_keys(object_keys.published(shot)))
        refs = [publication.master, publication.manifest, *publication.renditions.values()] if publication else []
        yield from _differing(objects, refs)
        yield from (f"{key} belongs to no row" for key in there - {ref.key for ref in refs})
        if publication and state is ShotState.PUBLISHED:
            try:
                said, _ = read_manifest(publication.manifest, objects.get(publication.manifest.key))
            except (ManifestDamaged, ObjectMissing) as error:
                yield str(error)
            else:
                if said != publication:
                    yield f"the manifest of {shot.product.sku} says otherwise than its row"
    portraits = catalog.portrait_outputs({shot.portrait_key for shot, _ in shots if shot.portrait_key})
    yield from _differing(objects, [each.ref for each in portraits.values()])


def _differing(objects: Objects, refs: Sequence[ImageRef]) -> Iterator[str]:
    for ref in refs:
        try:
            objects.get(ref.key, ref.sha256 or None)
        except (ObjectMissing, ObjectDamaged) as error:
            yield str(error)


def _made_twice(shots: Sequence[Shot], catalog: Catalog, logs: Sequence[Path], lost: Lost) -> Iterator[str]:
    """A service says of each item when it is made and stored; more than once is too often."""
    ours = {record.take.key for taken in catalog.takes([shot.key for shot in shots]).values() for record in taken}
    ours |= {shot.portrait_key for shot in shots if shot.portrait_key}
    made: Counter[tuple[str, str]] = Counter()
    for log in logs:
        for line in log.read_text(errors="replace").splitlines():
            if '"item made"' in line and line.startswith("{"):
                said = json.loads(line)
                made[said["stage"], said["key"]] += 1
    for (stage, key), times in made.items():
        excused = any(key in each or each.startswith("published/") for each in lost.keys)
        if key in ours and times > 1 + excused:
            yield f"{stage} of {key[:8]} was made {times} times"


def _left_over(catalog: Catalog, services: Sequence[str]) -> Iterator[str]:
    for url in services:
        health = httpx.get(f"{url}/health", timeout=5).json()
        if health["waiting"] or health["working"]:
            yield f"{url} still has {health['waiting']} jobs waiting, works: {health['working']}"
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()"
    )
    with catalog.begin() as session:
        if idle := session.scalar(query):
            yield f"{idle} database sessions idle within a transaction"


def orphans_of(home: Path) -> list[str]:
    """Processes of a set-up whose parent is gone, its supervisor apart."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.environ().get("LOOKBOOK_SUPERVISED") == str(home) and process.ppid() == 1
            command = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if ours and "supervisord" not in command:
            found.append(f"orphan {process.pid}: {command[:80]}")
    return found
