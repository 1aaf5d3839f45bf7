"""The audit log: who decided what, when and why; searchable, and as CSV."""

from __future__ import annotations

import csv
import io
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gallery_web import stores
from gallery_web.query_params import MOST_ID, Text
from gallery_web.render import page
from storage.catalog import audit
from storage.catalog.audit import AuditFilter
from storage.catalog.tables import CampaignState

PER_PAGE = 100
EXPORTED = 100_000
ACTIONS = (
    "approve",
    "reject",
    "retake",
    "undo",
    "withdraw",
    "try again",
    "packshot",
    *CampaignState,
    "retire",
    "restore",
)

router = APIRouter()


@router.get("/audit", name="audit")
def log(
    request: Request,
    text: Text = "",
    who: Text = "",
    action: Text = "",
    before: Annotated[int | None, Query(ge=1, le=MOST_ID)] = None,
) -> Response:
    """A page of the log, the latest first."""
    with stores.catalog().begin() as session:
        entries = audit.entries(session, AuditFilter(text.strip(), who, action, before), PER_PAGE)
    asked = {"text": text.strip(), "who": who, "action": action}
    return page(request, "audit.html", entries=entries, asked=asked, actions=ACTIONS, per_page=PER_PAGE)


@router.get("/audit.csv", name="audit_csv")
def export(text: Text = "", who: Text = "", action: Text = "") -> Response:
    """The log as CSV, at most :data:`EXPORTED` entries."""
    with stores.catalog().begin() as session:
        entries = audit.entries(session, AuditFilter(text.strip(), who, action), EXPORTED)
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(("time", "who", "action", "campaign or row", "sku", "shot", "why"))
    for entry in entries:
        written = (entry.who, entry.action, entry.named, entry.sku, entry.shot_key, entry.why)
        writer.writerow((entry.at.isoformat(), *map(plain_cell, written)))
    headers = {"Content-Disposition": 'attachment; filename="lookbook-audit.csv"'}
    return Response(lines.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def plain_cell(value: str | None) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = value or ""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
