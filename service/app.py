"""The generation service over HTTP: jobs in, keys and digests out; pixels travel through the bucket only."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from service.items import ItemRefused, read_items
from service.job_queue import JobDiffers, JobQueue, QueueFull
from service.jobs import Job, Stage
from service.settings import ServiceSettings, ServiceSettingsError
from service.telemetry import Metrics, log_as_json
from service.worker import Readiness, Worker
from storage.bucket.settings import ObjectSettingsError

GRACE_SECONDS = 25.0
"""How long a batch in flight may take to finish at shutdown."""
MAX_ITEMS = 1024
RETRY_AFTER_SECONDS = 5


class JobRequest(BaseModel):
    """The body of a submission."""

    model_config = ConfigDict(extra="forbid")
    id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")
    stage: Stage
    items: list[dict[str, Any]] = Field(min_length=1, max_length=MAX_ITEMS)

    def digest(self) -> str:
        """Identifies what is asked."""
        text = json.dumps([self.stage.value, self.items], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def create_app(settings: ServiceSettings | None = None) -> FastAPI:
    """The service, with ``settings`` or those of the environment.

    Raises:
        SystemExit: the environment does not say what is needed; the message is for whoever starts the service.
    """
    try:
        chosen = settings or ServiceSettings.from_env()
    except (ServiceSettingsError, ObjectSettingsError) as error:
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
    app.state.queue, app.state.metrics, app.state.worker, app.state.token = queue, metrics, worker, chosen.token
    app.add_api_route("/health", health, methods=["GET"])
    app.include_router(_guarded())
    return app


_bearer = HTTPBearer(auto_error=False)


def _check_token(request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> None:
    expected: str = request.app.state.token
    if given is None or not secrets.compare_digest(given.credentials.encode(), expected.encode()):
        raise HTTPException(401, "the bearer token is missing or wrong", {"WWW-Authenticate": "Bearer"})


def _guarded() -> APIRouter:
    router = APIRouter(dependencies=[Depends(_check_token)])
    router.add_api_route("/v1/jobs", submit, methods=["POST"], status_code=202)
    router.add_api_route("/v1/jobs/{job}", read, methods=["GET"])
    router.add_api_route("/v1/jobs/{job}", cancel, methods=["DELETE"])
    router.add_api_route("/v1/bundle", bundle, methods=["GET"])
    router.add_api_route("/metrics", numbers, methods=["GET"])
    return router


def health(request: Request, response: Response) -> dict[str, Any]:
    """200 once the bundle is loaded; until then 503 with what is missing. Open, since it tells no secrets."""
    worker: Worker = request.app.state.worker
    now = worker.health
    response.status_code = 200 if now.state is Readiness.READY else 503
    name = worker.bundle.name if worker.bundle else None
    return {"state": now.state.value, "reason": now.reason, "bundle": name, "waiting": request.app.state.queue.depth}


def submit(body: JobRequest, request: Request) -> dict[str, Any]:
    """Take in a job; the same id and body give the job as it stands."""
    worker: Worker = request.app.state.worker
    queue: JobQueue = request.app.state.queue
    if worker.health.state in {Readiness.FAILED, Readiness.STOPPED}:
        raise HTTPException(503, worker.health.reason)
    try:
        items = read_items(body.stage, body.items)
        return asdict(queue.submit(body.id, body.stage, items, body.digest()))
    except ItemRefused as error:
        raise HTTPException(422, str(error)) from error
    except JobDiffers as error:
        raise HTTPException(409, f"job {body.id!r} was submitted with other items; choose another id") from error
    except QueueFull as error:
        wait = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        raise HTTPException(429, f"{queue.size} jobs wait already; try again later", wait) from error


def read(job: str, request: Request) -> dict[str, Any]:
    """The job as it stands."""
    return _known(request.app.state.queue.get(job), job)


def cancel(job: str, request: Request) -> dict[str, Any]:
    """End the job: at once if it waits, after the batch in flight if it runs."""
    return _known(request.app.state.queue.cancel(job), job)


def _known(found: Job | None, job: str) -> dict[str, Any]:
    if found is None:
        raise HTTPException(404, f"job {job!r} is unknown, as after a restart; submit it again, what was made is kept")
    return asdict(found)


def bundle(request: Request) -> dict[str, Any]:
    """What is loaded."""
    worker: Worker = request.app.state.worker
    if worker.bundle is None:
        raise HTTPException(503, worker.health.reason)
    return asdict(worker.bundle)


def numbers(request: Request) -> Response:
    """For Prometheus."""
    return Response(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
