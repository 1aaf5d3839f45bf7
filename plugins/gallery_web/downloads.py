"""Taking pictures away: published files as CSV or JSON with their addresses, chosen pictures as a zip."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse

from gallery_web import stores
from gallery_web.auditing import plain_cell
from gallery_web.query_params import ShotQuery
from gallery_web.render import address
from storage.bucket.keys import safe_name
from storage.catalog import gallery, search
from storage.catalog.records import ShotRecord
from storage.catalog.tables import ShotState

MOST_FILES = 100_000
MOST_ZIPPED = 200
"""Shots in one zip: it is put together in memory."""
MOST_BYTES = 500_000_000

router = APIRouter()
COLUMNS = (
    "sku",
    "campaign",
    "environment",
    "persona",
    "framing",
    "rendition",
    "key",
    "sha256",
    "url",
    "shot",
    "alt_text",
)


@router.get("/published.json", name="published_json")
def as_json(request: Request, wanted: ShotQuery) -> Response:
    """Every published file of the shots that fit the search."""
    return JSONResponse(_files(request, wanted))


@router.get("/published.csv", name="published_csv")
def as_csv(request: Request, wanted: ShotQuery) -> Response:
    """The same as CSV."""
    lines = io.StringIO()
    writer = csv.DictWriter(lines, COLUMNS)
    writer.writeheader()
    writer.writerows({name: plain_cell(value) for name, value in row.items()} for row in _files(request, wanted))
    headers = {"Content-Disposition": 'attachment; filename="lookbook-published.csv"'}
    return Response(lines.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/pictures.zip", name="zip")
def as_zip(shot: Annotated[list[str], Query(max_length=MOST_ZIPPED)]) -> Response:
    """The published files of chosen shots."""
    with stores.catalog().begin() as session:
        records = gallery.shot_records(session, [key for key in shot if key.isascii() and key.isalnum()])
    chosen = [record for record in records if record.publication]
    if not chosen:
        raise HTTPException(404, "none of the chosen shots is published; choose some with state published")
    data, size = io.BytesIO(), 0
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as archive:  # pictures do not shrink
        for record in chosen:
            for name, key, _ in _of(record):
                content = stores.objects().get(key)
                size += len(content)
                if size > MOST_BYTES:
                    raise HTTPException(413, f"more than {MOST_BYTES // 1_000_000} MB; choose fewer pictures")
                folder = f"{safe_name(record.shot.product.sku)}/{record.shot.key}"
                archive.writestr(f"{folder}/{safe_name(name)}.{key.rpartition('.')[2]}", content)
    headers = {"Content-Disposition": 'attachment; filename="lookbook.zip"'}
    return Response(data.getvalue(), media_type="application/zip", headers=headers)


def _of(record: ShotRecord) -> list[tuple[str, str, str]]:
    """Name, object key and SHA-256 of each published picture."""
    if record.publication is None:
        return []
    files = {"master": record.publication.master, **record.publication.renditions}
    return [(name, ref.key, ref.sha256) for name, ref in files.items()]


def _files(request: Request, wanted: ShotQuery) -> list[dict[str, Any]]:
    base = str(request.base_url).rstrip("/").removesuffix(request.scope.get("root_path", ""))
    rows: list[dict[str, Any]] = []
    with stores.catalog().begin() as session:
        published = search.ShotSearch(wanted.shown, wanted.sku, ShotState.PUBLISHED, wanted.run, wanted.order)
        keys = search.keys(session, published, MOST_FILES)
        for start in range(0, len(keys), 500):
            for record in gallery.shot_records(session, keys[start : start + 500]):
                shot = record.shot
                about = (shot.product.sku, shot.campaign, shot.environment.name)
                person = shot.persona.name if shot.persona else ""
                alt_text = record.publication.alt_text if record.publication else ""
                for name, key, sha256 in _of(record):
                    url = base + address(request, "image", key=key)
                    values = (*about, person, shot.framing.value, name, key, sha256, url, shot.key, alt_text)
                    rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows
