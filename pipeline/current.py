"""What is live of a campaign: a list of its published files with their URLs, as JSON and CSV, beside them.

The lists are written again at the end of each run, after approvals, withdrawals and nightly, so whoever pulls pictures
into a shop reads one address. Pictures that no plan wants any more are listed apart, to be taken down; their files
stay.

Taking a published picture back belongs here too: out of the bucket, then out of the catalog, then off the list.
"""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from brief.settings import Settings
from brief.types import ImageRef, Shot
from pipeline.run import Run
from storage.bucket import keys as object_keys
from storage.bucket.objects import Objects
from storage.catalog import decisions
from storage.catalog.catalog import Catalog
from storage.catalog.decisions import NotAllowed
from storage.catalog.takes import PublishedShot

_LOG = logging.getLogger(__name__)
PUBLIC_URL_VARIABLE = "LOOKBOOK_PUBLIC_URL"
"""Where the bucket's objects are to be had by anybody (a CDN, say); else the S3 server's own address."""
COLUMNS = (
    "sku", "title", "environment", "persona", "framing", "variant", "rendition", "url", "alt_text", "key", "sha256",
    "shot", "published_at",
)  # fmt: skip
_FORMULA = "=+-@\t\r"


def write_current(catalog: Catalog, objects: Objects, campaigns: Sequence[str] | None = None) -> int:
    """Write the lists of these campaigns (``None``: all); returns the number of live pictures.

    Raises:
        ObjectError, CatalogError: the bucket or the database does not answer or refuses.
    """
    live_pictures = 0
    for campaign in catalog.campaigns(campaigns):
        live: list[dict[str, Any]] = []
        superseded: list[dict[str, Any]] = []
        for published in catalog.published_shots(campaign.name):
            (live if published.live else superseded).extend(_rows(published, objects))
            live_pictures += published.live
        whole = {
            "campaign": campaign.name,
            "title": campaign.title,
            "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "live": live,
            "superseded": superseded,
        }
        text = json.dumps(whole, indent=1, ensure_ascii=False).encode()
        for extension, data in ((".json", text), (".csv", _table(live))):
            key = object_keys.current(campaign.name, extension)
            objects.replace(key, data, object_keys.content_type(key))
    return live_pictures


def write_current_of_run(run: Run) -> int:
    """Write the lists of the campaigns of whose shots the run claimed or published any; errors as
    :func:`write_current`."""
    names = run.catalog.campaigns_of_run(run.id)
    return write_current(run.catalog, run.objects, names) if names else 0


def _rows(published: PublishedShot, objects: Objects) -> Iterator[dict[str, Any]]:
    shot, publication = published.shot, published.publication
    files: dict[str, ImageRef] = {"master": publication.master, **publication.renditions}
    for name, ref in files.items():
        yield {
            "sku": shot.product.sku,
            "title": shot.product.title,
            "environment": shot.environment.name,
            "persona": shot.persona.name if shot.persona else "",
            "framing": shot.framing.value,
            "variant": shot.variant,
            "rendition": name,
            "url": url_of(ref.key, objects),
            "alt_text": publication.alt_text,
            "key": ref.key,
            "sha256": ref.sha256,
            "shot": shot.key,
            "published_at": published.at.isoformat(timespec="seconds"),
        }


def url_of(key: str, objects: Objects) -> str:
    """Where an object is to be had: below ``LOOKBOOK_PUBLIC_URL``, else at the S3 server, which may want a login."""
    settings = objects.settings
    base = Settings.read().public_url or f"{settings.endpoint or 'https://s3.amazonaws.com'}/{settings.bucket}"
    return f"{base.rstrip('/')}/{quote(key)}"


def _table(rows: Sequence[dict[str, Any]]) -> bytes:
    lines = io.StringIO()
    writer = csv.DictWriter(lines, COLUMNS)
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return lines.getvalue().encode()


def _cell(value: Any) -> Any:
    """What a spreadsheet does not take for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(tuple(_FORMULA)) else value


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
