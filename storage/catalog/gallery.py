"""Looking through the catalog: pages of shots with their pictures, and the history of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, or_, select, true
from sqlalchemy.orm import Session, aliased

from storage.catalog.database import Database
from storage.catalog.errors import RowMissing
from storage.catalog.records import ShotHistory, ShotPage, ShotRecord
from storage.catalog.reviews import reviews_of
from storage.catalog.runs import RunKey
from storage.catalog.tables import PublicationRow, ShotRow, ShotState, TakeRow
from storage.catalog.takes import publication_of, take_of


@dataclass(frozen=True, slots=True)
class ShotFilter:
    """Which shots to show; ``None`` means any. Superseded ones are shown only when ``state`` asks for them.

    ``run`` published the shot, or planned it first; without its DAG it stands for the runs of that id of all DAGs.
    What was recorded before migration 0003 does not know its DAG and counts as any.
    """

    campaign: str | None = None
    sku: str | None = None
    environment: str | None = None
    persona: str | None = None
    state: ShotState | None = None
    run: RunKey | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """As SQL conditions on shot and publication."""
        wanted = {
            ShotRow.campaign: self.campaign,
            ShotRow.sku: self.sku,
            ShotRow.environment: self.environment,
            ShotRow.persona: self.persona,
            ShotRow.state: self.state,
        }
        found = [column == value for column, value in wanted.items() if value is not None]
        if self.run is not None:
            found.append(or_(*(_is_of(self.run, table) for table in (PublicationRow, ShotRow))))
        return found if self.state else [*found, ShotRow.state != ShotState.SUPERSEDED]


def _is_of(run: RunKey, table: type[PublicationRow] | type[ShotRow]) -> ColumnElement[bool]:
    of_dag = table.dag_id.in_((run.dag_id, "")) if run.dag_id else true()
    return and_(table.run_id == run.run_id, of_dag)


class Gallery(Database):
    """What is shown."""

    def find_shots(self, wanted: ShotFilter, *, offset: int = 0, limit: int = 50) -> ShotPage:
        """A page of shots with their latest take and publication; what changed last comes first."""
        joined = select(ShotRow.key).outerjoin(PublicationRow, PublicationRow.shot_key == ShotRow.key)
        joined = joined.where(*wanted.conditions())
        order = (ShotRow.updated_at.desc(), ShotRow.key)
        with self.begin() as session:
            total = session.scalar(select(func.count()).select_from(joined.subquery())) or 0
            keys = session.scalars(joined.order_by(*order).offset(offset).limit(limit)).all()
            records = {record.shot.key: record for record in shot_records(session, keys)}
        return ShotPage(tuple(records[key] for key in keys), total)

    def history(self, shot_key: str) -> ShotHistory:
        """All that is known of one shot.

        Raises:
            RowMissing: there is no such shot.
        """
        query = select(TakeRow).where(TakeRow.shot_key == shot_key).order_by(TakeRow.number, TakeRow.key)
        with self.begin() as session:
            records = shot_records(session, [shot_key])
            if not records:
                raise RowMissing(f"shot {shot_key!r} is not in the catalog")
            takes = tuple(take_of(row) for row in session.scalars(query))
            return ShotHistory(records[0], takes, tuple(reviews_of(session, shot_key)))


def shot_records(session: Session, keys: Sequence[str]) -> list[ShotRecord]:
    """These shots with their latest take and what was published, in no order."""
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
        select(ShotRow, PublicationRow, shown)
        .outerjoin(PublicationRow, PublicationRow.shot_key == ShotRow.key)
        .outerjoin(shown, shown.key == func.coalesce(PublicationRow.take_key, latest))
        .where(ShotRow.key.in_(keys))
    )
    return [
        ShotRecord(
            shot=row.spec,
            state=row.state,
            reason=row.reason,
            take=take_of(take) if take else None,
            publication=publication_of(published) if published else None,
            run=RunKey(published.dag_id, published.run_id) if published else RunKey(row.dag_id, row.run_id),
            updated_at=row.updated_at,
        )
        for row, published, take in session.execute(query)
    ]
