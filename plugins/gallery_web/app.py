"""The pages as one FastAPI application, mounted by Airflow's API server under ``/gallery``."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.base import RequestResponseEndpoint

from brief.errors import ServiceError, SettingsError
from gallery_web import auditing, changing, downloads, images, pages, reporting, reviewing
from gallery_web.access import check_may_look, check_own_page
from gallery_web.render import page
from storage.bucket.errors import ObjectError, ObjectMissing
from storage.catalog.decisions import NotAllowed
from storage.catalog.errors import AlreadyDecided, CatalogError, RowMissing
from storage.catalog.search import BadCursor

_ROUTERS = (
    pages.router,
    reviewing.router,
    changing.router,
    downloads.router,
    auditing.router,
    reporting.router,
    images.router,
)
_STATUS: dict[type[Exception], int] = {
    RowMissing: 404,
    NotAllowed: 409,
    BadCursor: 422,
    ObjectMissing: 404,
    AlreadyDecided: 409,
    CatalogError: 503,
    ObjectError: 502,
    SettingsError: 500,
    ServiceError: 503,
}


def create_pages() -> FastAPI:
    """The application; every page asks Airflow who is there."""
    app = FastAPI(title="Lookbook gallery", openapi_url=None)
    for router in _ROUTERS:
        app.include_router(router, dependencies=[Depends(check_own_page), Depends(check_may_look)])
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    app.middleware("http")(_no_sniffing)
    app.add_exception_handler(HTTPException, _say_http)
    app.add_exception_handler(RequestValidationError, _say_invalid)
    for kind in _STATUS:
        app.add_exception_handler(kind, _say)
    return app


async def _no_sniffing(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Browsers take every answer for what it says it is."""
    response = await call_next(request)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response


def _say(request: Request, error: Exception) -> Response:
    status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    title = "That cannot be done" if isinstance(error, NotAllowed) else _TITLES.get(status, _TITLES[500])
    return _error(request, status, title, str(error))


def _say_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return _error(request, error.status_code, _TITLES.get(error.status_code, _TITLES[500]), error.detail)


def _say_invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    problems = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
    return _error(request, 422, _TITLES[422], problems)


_TITLES = {
    401: "Please sign in",
    403: "Not allowed",
    404: "Not found",
    409: "Already decided",
    422: "Not understood",
    500: "Something went wrong",
}


def _error(request: Request, status: int, title: str, message: str) -> Response:
    """A page with a way on: to the log-in, or back to where the person came from."""
    came_from = urlsplit(request.headers.get("Referer", ""))
    back = came_from.path if came_from.netloc == request.headers.get("Host") else ""
    if back and came_from.query:
        back = f"{back}?{came_from.query}"
    login = _login(request) if status == 401 else ""
    return page(request, "error.html", status, code=status, title=title, message=message, login=login, back=back)


def _login(request: Request) -> str:
    """Airflow's log-in page, which leads back here."""
    return str(get_auth_manager().get_url_login(next_url=str(request.url)))
