"""Takes in the catalog: what each attempt left in the bucket, how it scored, and what was published."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from brief.types import Asset, ImageRef, Scorecard, Take
from storage.catalog.errors import RowMissing
from storage.catalog.records import TakeRecord
from storage.catalog.rows import asset_values, scorecard_values, take_of
from storage.catalog.shots import set_state
from storage.catalog.tables import AssetRow, ShotRow, ShotState, TakeRow
from storage.catalog.upsert import insert_into, upsert

STAGE_OF = {ShotState.COMPOSED: "compose", ShotState.REFINED: "refine"}


def takes(session: Session, shot_keys: Sequence[str]) -> dict[str, list[TakeRecord]]:
    """By shot, each by number; a shot without takes has an empty list."""
    query = select(TakeRow).where(TakeRow.shot_key.in_(shot_keys)).order_by(TakeRow.number, TakeRow.key)
    found: dict[str, list[TakeRecord]] = {key: [] for key in shot_keys}
    for row in session.scalars(query):
        found[row.shot_key].append(take_of(row))
    return found


def record_take(session: Session, take: Take, state: ShotState, image: ImageRef, seconds: float | None) -> None:
    row = _row_for(session, take)
    if state is ShotState.COMPOSED:
        row.composed_key, row.composed_sha256 = image.key, image.sha256
    elif state is ShotState.REFINED:
        row.refined_key, row.refined_sha256 = image.key, image.sha256
    else:
        raise ValueError(f"a take leaves an image when it is composed or refined, not when it is {state.value}")
    if seconds is not None:
        row.seconds = {**row.seconds, STAGE_OF[state]: seconds}
    _touch(session, row)
    set_state(session, [take.shot_key], state)


def record_scorecard(session: Session, take_key: str, scorecard: Scorecard, seconds: float | None) -> None:
    row = session.get(TakeRow, take_key, with_for_update=True)
    if row is None:
        raise RowMissing(f"take {take_key!r} is not in the catalog, so its scorecard cannot be kept; compose it first")
    row.scorecard, row.verdict = scorecard_values(scorecard), scorecard.verdict.value
    if seconds is not None:
        row.seconds = {**row.seconds, "score": seconds}
    _touch(session, row)
    set_state(session, [row.shot_key], ShotState.SCORED)


def record_asset(session: Session, asset: Asset, run_id: str, take: Take | None) -> None:
    if take is not None:
        _row_for(session, take)
    upsert(session, AssetRow, [asset_values(asset, run_id)], keep=("run_id",))
    set_state(session, [asset.shot_key], ShotState.PUBLISHED, unless=(ShotState.SUPERSEDED,))


def _row_for(session: Session, take: Take) -> TakeRow:
    """The take's row, made if it is not there, locked until the transaction ends."""
    if session.get(ShotRow, take.shot_key) is None:
        raise RowMissing(f"shot {take.shot_key!r} is not in the catalog, so its take cannot be kept; record its plan")
    now = datetime.now(UTC)
    values = {
        "key": take.key,
        "shot_key": take.shot_key,
        "number": take.number,
        "seed": take.seed,
        "changes": dict(take.changes),
        "words": take.words,
        "seconds": {},
        "created_at": now,
        "updated_at": now,
    }
    session.execute(insert_into(session, TakeRow).values(values).on_conflict_do_nothing())
    return session.get_one(TakeRow, take.key, with_for_update=True)


def _touch(session: Session, row: TakeRow) -> None:
    if session.is_modified(row):
        row.updated_at = datetime.now(UTC)
