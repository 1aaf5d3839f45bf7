"""Clearing what no plan wants any more."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from pipeline.run import Run
from storage.bucket import keys as object_keys
from storage.catalog.errors import naming_the_database
from storage.catalog.tables import ShotRow, ShotState, TakeRow

_LOG = logging.getLogger(__name__)


def clear_takes(run: Run, days: int) -> int:
    """Delete the pictures of takes whose shots were superseded more than ``days`` days ago; returns how many shots.

    Objects go first, then the rows' references to them: a crash between the two leaves nothing that is lost for good,
    since a shot that is wanted again is made again. Scorecards and all that was published stay.

    Raises:
        ValueError: less than one day.
        ObjectError, CatalogError: the bucket or the database is gone or refuses.
    """
    if days < 1:
        raise ValueError(f"keep_days is {days}, it must be 1 or more")
    keys = _superseded_before(run, datetime.now(UTC) - timedelta(days=days))
    for key in keys:
        count = run.objects.delete_prefix(object_keys.takes_of(key))
        _forget(run, key)
        _LOG.info("shot %s: %d objects of its takes deleted", key, count)
    return len(keys)


def _superseded_before(run: Run, moment: datetime) -> list[str]:
    """Superseded shots that still have pictures of takes."""
    has_picture = or_(TakeRow.composed_key.is_not(None), TakeRow.refined_key.is_not(None))
    query = (
        select(ShotRow.key)
        .join(TakeRow, TakeRow.shot_key == ShotRow.key)
        .where(ShotRow.state == ShotState.SUPERSEDED, ShotRow.updated_at < moment, has_picture)
        .distinct()
    )
    with naming_the_database(run.catalog.engine), Session(run.catalog.engine) as session:
        return list(session.scalars(query))


def _forget(run: Run, shot_key: str) -> None:
    nothing = dict.fromkeys(("composed_key", "composed_sha256", "refined_key", "refined_sha256"))
    with naming_the_database(run.catalog.engine), Session(run.catalog.engine) as session, session.begin():
        session.execute(update(TakeRow).where(TakeRow.shot_key == shot_key).values(**nothing))
