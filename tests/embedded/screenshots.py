"""The pictures of README, taken of a running demo: ``python -m tests.embedded.screenshots``."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect
from sqlalchemy import select

from embedded.home import ADMIN, PROJECT, default_root, open_catalog, open_home
from storage.catalog.tables import RunRow, RunShotRow
from tests.embedded.browser import LAPTOP, PHONE, chromium, pages_of, signed_in

FOLDER = PROJECT / "docs"
QUALITY = 80


def main() -> None:
    """Write ``docs/*.webp``."""
    home = open_home(default_root())
    catalog = open_catalog(home)
    review = catalog.reviews()[0].id
    with catalog.begin() as session:
        joined = (RunRow.dag_id == RunShotRow.dag_id) & (RunRow.run_id == RunShotRow.run_id)
        query = select(RunRow.dag_id, RunRow.run_id).join(RunShotRow, joined).order_by(RunRow.started_at)
        dag, run = session.execute(query.limit(1)).one()
    catalog.engine.dispose()
    report = f"/gallery/run/{dag}/{run}/report"
    with chromium() as browser:
        with signed_in(browser, home, ADMIN, LAPTOP) as page:
            _take(page, "/plugin/lookbook-reviews", "reviews")
            _take(page, f"/gallery/reviews/{review}", "review")
            _take(page, report, "report")
        with signed_in(browser, home, ADMIN, PHONE) as page:
            _take(page, f"/gallery/reviews/{review}", "review-phone")


def _take(page: Page, address: str, name: str) -> Path:
    page.goto(address, wait_until="networkidle")
    if "/plugin/" in address:  # ours are in a frame, which on a busy machine comes later
        expect(pages_of(page).locator(".review-sheet img").first).to_be_visible()
    path = FOLDER / f"{name}.webp"
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").save(path, "WEBP", quality=QUALITY, method=6)
    return path


if __name__ == "__main__":
    main()
