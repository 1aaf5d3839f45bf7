"""The generation service over HTTP: jobs in, keys and digests out; pixels travel through the bucket only.

Who may talk to it, and how much, is checked before a byte of a body is read.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from brief.errors import SettingsError
from service.job_queue import JobDiffers, JobQueue, QueueFull
from service.protocol import Job, JobRequest, Stage
from service.settings import ServiceSettings
from service.telemetry import Metrics, log_as_json
from service.worker import Readiness, Worker

OPEN_PATHS = frozenset({"/health"})
"""Paths that need no token, since they tell no secrets."""
MAX_BODY = 16 * 1024 * 1024
"""Bytes of a request's body: a thousand items of some kilobytes each."""
BODY_SECONDS = 30.0
"""How long a caller may take between two parts of a body."""


class _Refused(Exception):
    """A body that is not read to its end; the status and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class AccessCheck:
    """ASGI middleware: bearer token first, then the body's size and pace, then the application.

    Args:
        token: what ``Authorization: Bearer`` must hold.
        max_body, body_seconds: see :data:`MAX_BODY` and :data:`BODY_SECONDS`.
    """

    def __init__(self, app: ASGIApp, token: str, max_body: int = MAX_BODY, body_seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()
        self._max_body = max_body
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("authorization", "").encode()
        if scope["path"] not in OPEN_PATHS and not secrets.compare_digest(given, self._expected):
            refusal = _answer(401, "the bearer token is missing or wrong", {"WWW-Authenticate": "Bearer"})
            await refusal(scope, receive, send)
            return
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > self._max_body:
            await _answer(413, self._too_large())(scope, receive, send)
            return
        await self._with_bounded_body(scope, receive, send)

    async def _with_bounded_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        read, refused, answered = 0, None, False

        async def bounded() -> Message:
            nonlocal read, refused
            try:
                message = await asyncio.wait_for(receive(), self._body_seconds) if not answered else await receive()
            except TimeoutError:
                refused = _Refused(408, f"no part of the body came for {self._body_seconds:.0f} s; send it again")
                raise refused from None
            read += len(message.get("body", b""))
            if read > self._max_body:
                refused = _Refused(413, self._too_large())
                raise refused
            return message

        async def noting(message: Message) -> None:
            nonlocal answered
            answered = True
            if refused is None:
                await send(message)

        with suppress(_Refused):
            await self._app(scope, bounded, noting)
        if refused is not None:
            await _answer(refused.status, str(refused))(scope, receive, send)

    def _too_large(self) -> str:
        return f"a body may have {self._max_body:,} bytes; submit fewer items at a time"


def _answer(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, {"Connection": "close", **(headers or {})})


GRACE_SECONDS = 25.0
"""How long a batch in flight may take to finish at shutdown."""
RETRY_AFTER_SECONDS = 5


def create_app(settings: ServiceSettings | None = None) -> FastAPI:
    """The service, with ``settings`` or those of the environment.

    Raises:
        SystemExit: the environment does not say what is needed; the message is for whoever starts the service.
    """
    try:
        chosen = settings or ServiceSettings.from_env()
    except SettingsError as error:
        raise SystemExit(f"the generation service cannot start: {error}") from error
    queue = JobQueue(chosen.queue)
    metrics = Metrics(lambda: queue.depth)
    worker = Worker(chosen, queue, metrics)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        log_as_json()
        worker.start()
        yield
        await run_in_threadpool(worker.stop, GRACE_SECONDS)

    app = FastAPI(title="Lookbook generation service", lifespan=lifespan, openapi_url=None)
    app.state.queue, app.state.metrics, app.state.worker = queue, metrics, worker
    app.add_middleware(AccessCheck, token=chosen.token)
    app.add_exception_handler(RequestValidationError, _unprocessable)
    app.include_router(_routes())
    return app


async def _unprocessable(_request: Request, error: Exception) -> Response:
    """The first thing that is wrong with a body, with the path to it."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  # the only type it is registered for
    first: dict[str, Any] = error.errors()[0]
    # Behind "body" stands the stage, by which the kind of items was chosen.
    path = ".".join(str(part) for part in first["loc"][2:])
    message = str(first["msg"]).removeprefix("Value error, ")
    if first.get("type") == "union_tag_invalid":
        message = f"stage {first['ctx']['tag']!r} is unknown; there are {', '.join(repr(str(each)) for each in Stage)}"
    return JSONResponse({"detail": f"{path}: {message}" if path else message}, 422)


def _routes() -> APIRouter:
    router = APIRouter()
    router.add_api_route("/health", health, methods=["GET"])
    router.add_api_route("/v1/jobs", submit_job, methods=["POST"], status_code=202)
    router.add_api_route("/v1/jobs/{job}", get_job, methods=["GET"])
    router.add_api_route("/v1/jobs/{job}", cancel_job, methods=["DELETE"])
    router.add_api_route("/v1/bundle", get_bundle, methods=["GET"])
    router.add_api_route("/metrics", metrics, methods=["GET"])
    return router


def health(request: Request, response: Response) -> dict[str, Any]:
    """200 once the bundle is loaded; until then 503 with what is missing. Open, since it tells no secrets."""
    worker: Worker = request.app.state.worker
    now = worker.health
    response.status_code = 200 if now.state is Readiness.READY else 503
    queue: JobQueue = request.app.state.queue
    loaded = worker.bundle
    return {
        "state": now.state.value,
        "reason": now.reason,
        "bundle": loaded.name if loaded else None,
        "fingerprint": loaded.fingerprint if loaded else None,
        "waiting": queue.depth,
        "working": queue.working,
    }


def submit_job(body: JobRequest, request: Request) -> dict[str, Any]:
    """Take in a job; the same id and body give the job as it stands."""
    worker: Worker = request.app.state.worker
    queue: JobQueue = request.app.state.queue
    if worker.health.state in {Readiness.FAILED, Readiness.STOPPED}:
        raise HTTPException(503, worker.health.reason)
    try:
        return asdict(queue.submit(body.id, body.stage, body.items, body.digest()))
    except JobDiffers as error:
        raise HTTPException(409, f"job {body.id!r} was submitted with other items; choose another id") from error
    except QueueFull as error:
        wait = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        raise HTTPException(429, f"{queue.size} jobs wait already; try again later", wait) from error


def get_job(job: str, request: Request) -> dict[str, Any]:
    """The job as it stands."""
    return _known(request.app.state.queue.get(job), job)


def cancel_job(job: str, request: Request) -> dict[str, Any]:
    """End the job: at once if it waits, after the batch in flight if it runs."""
    return _known(request.app.state.queue.cancel(job), job)


def _known(found: Job | None, job: str) -> dict[str, Any]:
    if found is None:
        raise HTTPException(404, f"job {job!r} is unknown, as after a restart; submit it again, what was made is kept")
    return asdict(found)


def get_bundle(request: Request) -> dict[str, Any]:
    """What is loaded."""
    worker: Worker = request.app.state.worker
    if worker.bundle is None:
        raise HTTPException(503, worker.health.reason)
    return asdict(worker.bundle)


def metrics(request: Request) -> Response:
    """For Prometheus."""
    return Response(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
