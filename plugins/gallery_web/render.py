"""From a page's data to its HTML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_FOLDER = Path(__file__).parent
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_FOLDER / "templates"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_HEADERS = {
    # Everything comes from this server; the review form goes to it; Airflow shows the pages in a frame of its own.
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'self'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
}


def page(request: Request, template: str, status: int = 200, **data: Any) -> Response:
    """A whole page. Templates make links with ``path(route, query, **parameters)``."""

    def path(name: str, query: Mapping[str, Any] | None = None, **parameters: Any) -> str:
        chosen = {key: value for key, value in (query or {}).items() if value not in (None, "")}
        way = request.scope.get("root_path", "") + request.app.url_path_for(name, **parameters)
        return f"{way}?{urlencode(chosen)}" if chosen else str(way)

    html = _ENVIRONMENT.get_template(template).render(path=path, **data)
    return HTMLResponse(html, status, _HEADERS)
