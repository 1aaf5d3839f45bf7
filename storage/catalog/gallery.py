"""Looking through the catalog: pages of shots with their pictures, and the history of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session, aliased

from storage.catalog.errors import RowMissing
from storage.catalog.records import ShotHistory, ShotPage, ShotRecord
from storage.catalog.reviews import reviews_of
from storage.catalog.rows import asset_of, shot_of, take_of
from storage.catalog.tables import AssetRow, ShotRow, ShotState, TakeRow
from storage.catalog.takes import takes


@dataclass(frozen=True, slots=True)
class ShotFilter:
    """Which shots to show; ``None`` means any. Superseded ones are shown only when ``state`` asks for them.

    ``run_id`` is the run that published the shot, or that planned it first.
    """

    campaign: str | None = None
    sku: str | None = None
    environment: str | None = None
    persona: str | None = None
    state: ShotState | None = None
    run_id: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """As SQL conditions on shot and asset."""
        wanted = {
            ShotRow.campaign: self.campaign,
            ShotRow.sku: self.sku,
            ShotRow.environment: self.environment,
            ShotRow.persona: self.persona,
            ShotRow.state: self.state,
        }
        found = [column == value for column, value in wanted.items() if value is not None]
        if self.run_id is not None:
            found.append(or_(AssetRow.run_id == self.run_id, ShotRow.run_id == self.run_id))
        return found if self.state else [*found, ShotRow.state != ShotState.SUPERSEDED]


def find_shots(session: Session, wanted: ShotFilter, offset: int, limit: int) -> ShotPage:
    """The shots that changed last come first."""
    conditions = wanted.conditions()
    joined = select(ShotRow.key).outerjoin(AssetRow, AssetRow.shot_key == ShotRow.key).where(*conditions)
    total = session.scalar(select(func.count()).select_from(joined.subquery())) or 0
    order = (ShotRow.updated_at.desc(), ShotRow.key)
    keys = session.scalars(joined.order_by(*order).offset(offset).limit(limit)).all()
    found = {record.shot.key: record for record in _records(session, keys)}
    return ShotPage(tuple(found[key] for key in keys), total)


def history(session: Session, shot_key: str) -> ShotHistory:
    records = _records(session, [shot_key])
    if not records:
        raise RowMissing(f"shot {shot_key!r} is not in the catalog")
    return ShotHistory(records[0], tuple(takes(session, [shot_key])[shot_key]), tuple(reviews_of(session, shot_key)))


def _records(session: Session, keys: Sequence[str]) -> list[ShotRecord]:
    latest = (
        select(TakeRow.key)
        .where(TakeRow.shot_key == ShotRow.key)
        .order_by(TakeRow.number.desc(), TakeRow.key)
        .limit(1)
        .correlate(ShotRow)
        .scalar_subquery()
    )
    shown = aliased(TakeRow)
    query = (
        select(ShotRow, AssetRow, shown)
        .outerjoin(AssetRow, AssetRow.shot_key == ShotRow.key)
        .outerjoin(shown, shown.key == func.coalesce(AssetRow.take_key, latest))
        .where(ShotRow.key.in_(keys))
    )
    return [
        ShotRecord(
            shot=shot_of(row.spec),
            state=ShotState(row.state),
            reason=row.reason,
            take=take_of(take) if take else None,
            asset=asset_of(asset) if asset else None,
            run_id=asset.run_id if asset else row.run_id,
            updated_at=row.updated_at,
        )
        for row, asset, take in session.execute(query)
    ]
