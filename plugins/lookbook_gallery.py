"""Gallery and review pages in Airflow's UI.

Every program of Airflow and every task loads this file, so nothing heavy is imported here: the pages themselves
(``gallery_web``) are imported at the first request, in the API server only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink
from airflow.sdk.plugins_manager import AirflowPlugin


class LazyPages:
    """An ASGI application that becomes the real one when it is first asked."""

    def __init__(self) -> None:
        self._app: Callable[..., Awaitable[None]] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._app is None:
            from gallery_web.app import create_pages

            self._app = create_pages()
        await self._app(scope, receive, send)


class ImagesLink(BaseOperatorLink):
    """From a task to the images of its run."""

    name = "Images"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        return f"/gallery/run/{quote(ti_key.dag_id)}/{quote(ti_key.run_id)}"


def _in_navigation(name: str, href: str) -> dict[str, Any]:
    """An entry of its own, not one of the menu "Plugins"."""
    word = name.lower()
    return {
        "name": name,
        "href": href,
        "icon": f"/gallery/static/{word}.svg",
        "destination": "nav",
        "url_route": f"lookbook-{word}",
        "nav_top_level": True,
    }


class LookbookGallery(AirflowPlugin):
    """Two entries in the navigation with the number of reviews that wait, two tabs on every run, a link on every
    task."""

    name = "lookbook_gallery"
    fastapi_apps = [{"app": LazyPages(), "url_prefix": "/gallery", "name": "Lookbook gallery"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012  # Airflow reads plain lists
        _in_navigation("Gallery", "/gallery/"),
        _in_navigation("Reviews", "/gallery/reviews"),
        {
            "name": "Images",
            "href": "/gallery/run/{DAG_ID}/{RUN_ID}",
            "destination": "dag_run",
            "url_route": "lookbook-images",
        },
        {
            "name": "Report",
            "href": "/gallery/run/{DAG_ID}/{RUN_ID}/report",
            "destination": "dag_run",
            "url_route": "lookbook-report",
        },
    ]
    react_apps = [  # noqa: RUF012
        {
            "name": "LookbookWaiting",
            "bundle_url": "/gallery/static/waiting.js",
            "destination": "base",
            "url_route": "lookbook-waiting",
        }
    ]
    global_operator_extra_links = [ImagesLink()]  # noqa: RUF012
