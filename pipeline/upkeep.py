"""Clearing what no plan wants any more."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from pipeline.run import Run
from storage.bucket import keys as object_keys

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
    keys = run.catalog.superseded_with_pictures(datetime.now(UTC) - timedelta(days=days))
    for key in keys:
        count = run.objects.delete_prefix(object_keys.takes_of(key))
        run.catalog.forget_pictures(key)
        _LOG.info("shot %s: %d objects of its takes deleted", key, count)
    return len(keys)
