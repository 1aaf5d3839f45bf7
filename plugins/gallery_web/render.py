"""From a page's data to its HTML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from brief.dimensions import sentence
from gallery_web import presentation, stores
from pipeline import report

_FOLDER = Path(__file__).parent
_HEADERS = {
    # Everything comes from this server; the review form goes to it; Airflow shows the pages in a frame of its own.
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
}


def with_articles(text: str) -> str:
    """English: "an orange hoodie". Only shown so; the prompt's own words are part of a picture's key."""
    return re.sub(r"\b([Aa])(?= [aeiou])", r"\1n", text)


def at_most(count: int, most: int) -> str:
    """A number that was counted no further than to ``most`` + 1: "1,000+"."""
    return f"{most:,}+" if count > most else f"{count:,}"


_ENVIRONMENT = Environment(
    loader=FileSystemLoader([_FOLDER / "templates", report.FOLDER]),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {
    "at_most": at_most,
    "with_articles": with_articles,
    "run": presentation.run_in_words,
    "duration": report.duration,
    "cost": report.cost,
    "sentence": sentence,
}


def address(request: Request, name: str, query: Mapping[str, Any] | None = None, /, **parameters: Any) -> str:
    """Path and query of a route; what is empty is left out of the query."""
    chosen = {key: value for key, value in (query or {}).items() if value not in (None, "")}
    path = f"{request.scope.get('root_path', '')}{request.app.url_path_for(name, **parameters)}"
    return f"{path}?{urlencode(chosen)}" if chosen else path


def page(request: Request, template: str, status: int = 200, **data: Any) -> Response:
    """A whole page. Templates make links with ``path(route, query, **parameters)``."""

    def path(name: str, query: Mapping[str, Any] | None = None, /, **parameters: Any) -> str:
        return address(request, name, query, **parameters)

    waiting = None if status in (401, 403) else stores.waiting()  # nobody's business who may not look
    html = _ENVIRONMENT.get_template(template).render(path=path, here=request.url.path, nav_waiting=waiting, **data)
    return HTMLResponse(html, status, _HEADERS)
