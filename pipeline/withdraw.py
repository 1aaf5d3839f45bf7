"""Take a published picture back: out of the bucket, then out of the catalog."""

from __future__ import annotations

import logging

from brief.types import Shot
from pipeline.current import write_current
from storage.bucket import keys as object_keys
from storage.bucket.objects import Objects
from storage.catalog import decisions
from storage.catalog.catalog import Catalog
from storage.catalog.decisions import NotAllowed

_LOG = logging.getLogger(__name__)


def withdraw(catalog: Catalog, objects: Objects, shot_key: str, who: str, why: str) -> None:
    """Withdraw what is published for a shot and turn its take down; whoever withdraws again finds it done.

    The objects go first: were the row to go first and the bucket to fail, the next publication would take the manifest
    that is left for its own.

    Raises:
        NotAllowed: no reason, or nothing is published.
        RowMissing: there is no such shot.
        ObjectError, CatalogError: the bucket or the database is unreachable or refuses; withdraw again.
    """
    record = catalog.history(shot_key).record
    if not why.strip():
        raise NotAllowed("say why it is withdrawn")
    if record.publication is None:
        raise NotAllowed(f"shot {shot_key} is not published")
    remove_published(objects, record.shot)
    with catalog.begin() as session:
        decisions.withdraw(session, shot_key, who, why)
    write_current(catalog, objects, [record.shot.campaign])
    _LOG.info("%s in %s: withdrawn by %s: %s", record.shot.product.sku, record.shot.environment.name, who, why)


def remove_published(objects: Objects, shot: Shot) -> None:
    """Delete the published files of a shot, the manifest first, since where it is the rest is; and their previews."""
    objects.delete(object_keys.manifest(shot))
    objects.delete_prefix(object_keys.previews_of(object_keys.published(shot)))
    objects.delete_prefix(object_keys.published(shot))
