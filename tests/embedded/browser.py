"""A person at a real browser, Debian's Chromium, in front of the real Airflow."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, FrameLocator, Page, expect, sync_playwright

from embedded.home import Home

LAPTOP, PHONE = (1400, 900), (390, 844)
ANSWER_MS = 60_000
"""Patience with a page on a busy machine."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's browser; nothing is downloaded.

    Raises:
        RuntimeError: there is none.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        raise RuntimeError("no Chromium is installed; on Debian: apt install chromium")
    # A browser that runs as root, as in a container, cannot shut itself in.
    arguments = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    expect.set_options(timeout=ANSWER_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def signed_in(browser: Browser, home: Home, user: str, size: tuple[int, int] = LAPTOP) -> Iterator[Page]:
    """A window of this size, in which the user has signed in by Airflow's own form."""
    phone = size == PHONE
    context = browser.new_context(
        base_url=home.airflow_url,
        viewport={"width": size[0], "height": size[1]},
        is_mobile=phone,
        has_touch=phone,
        color_scheme="light",
    )
    context.set_default_timeout(ANSWER_MS)
    page = context.new_page()
    try:
        page.goto("/auth/login/")
        page.locator("input[name=username]").fill(user)
        page.locator("input[name=password]").fill(home.passwords[user])
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/login" not in url)
        yield page
    finally:
        context.close()


def pages_of(page: Page) -> FrameLocator:
    """Lookbook's pages inside Airflow's."""
    return page.frame_locator("iframe")


def within_reach(page: Page, selector: str) -> bool:
    """Whether an element lies inside the window, without scrolling."""
    box, size = page.locator(selector).first.bounding_box(), page.viewport_size
    return bool(
        box
        and size
        and box["x"] >= 0
        and box["y"] >= 0
        and box["x"] + box["width"] <= size["width"]
        and box["y"] + box["height"] <= size["height"]
    )
