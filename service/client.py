"""Speaks to the generation service from a light process: httpx, no torch.

Every error names the service's address and what to do, for it is read at night in a task's log.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any, Self

import httpx

from brief.types import BundleInfo
from service.jobs import Job, Stage

URL_VARIABLE = "LOOKBOOK_SERVICE_URL"
TOKEN_VARIABLE = "LOOKBOOK_SERVICE_TOKEN"  # noqa: S105  # the name of a variable, not a token
ATTEMPTS = 4
"""Tries of a request that meets no listener or a transient fault, before the caller's own retries take over."""


class ServiceError(RuntimeError):
    """The generation service cannot do what was asked; the message says which, why and what to do."""


class ServiceUnreachable(ServiceError):
    """Nobody answers, or the service answers that it cannot work now."""


class ServiceBusy(ServiceError):
    """The queue stayed full up to the deadline."""


class JobUnknown(ServiceError):
    """The service does not know this job, as after its restart: submit it again, what was made is kept."""


class GenerationClient:
    """Requests to one generation service.

    Args:
        url: address of the service, such as ``http://127.0.0.1:8701``.
        token: the bearer token that the service was started with.
        transport: another way to the service than the network, for tests.
    """

    def __init__(self, url: str, token: str, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"}
        timeout = httpx.Timeout(30, connect=5)
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout, transport=transport)

    @classmethod
    def from_environment(cls) -> Self:
        """From ``LOOKBOOK_SERVICE_URL`` and ``LOOKBOOK_SERVICE_TOKEN``.

        Raises:
            ServiceError: one of them is not set.
        """
        missing = [name for name in (URL_VARIABLE, TOKEN_VARIABLE) if not os.environ.get(name)]
        if missing:
            raise ServiceError(f"{missing[0]} is not set: it says where the generation service is and lets us in")
        return cls(os.environ[URL_VARIABLE], os.environ[TOKEN_VARIABLE])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit(self, job: str, stage: Stage, items: Sequence[Mapping[str, Any]], *, patience: float = 900.0) -> Job:
        """Hand in ``items`` under the id ``job``; the same id and items again give the job as it stands.

        Items hold JSON values or the dataclasses of :mod:`brief.types`. While the queue is full, waits as long
        as the service advises, at most ``patience`` seconds in all.

        Raises:
            ServiceBusy: the queue stayed full.
            ServiceError: see the class and its subclasses.
        """
        body = {"id": job, "stage": stage.value, "items": [_plain(item) for item in items]}
        deadline = time.monotonic() + patience
        while (response := self._ask("POST", "/v1/jobs", json=body)).status_code == 429:
            pause = _advice(response)
            if time.monotonic() + pause > deadline:
                raise ServiceBusy(
                    f"the queue of the generation service at {self.url} has been full for {patience:.0f} s: "
                    "lower the slots of Airflow's pool 'gpu', or start another service"
                )
            time.sleep(pause)
        return Job.from_json(self._checked(response))

    def job(self, job: str) -> Job:
        """The job as it stands, with the results so far.

        Raises:
            JobUnknown: the service was restarted since, or never saw it.
        """
        return Job.from_json(self._checked(self._ask("GET", f"/v1/jobs/{job}")))

    def cancel(self, job: str) -> None:
        """End a job after the batch that is in flight; a job that is unknown or over is left as it is."""
        response = self._ask("DELETE", f"/v1/jobs/{job}")
        if response.status_code != 404:
            self._checked(response)

    def bundle(self) -> BundleInfo:
        """What the service has loaded."""
        return BundleInfo(**self._checked(self._ask("GET", "/v1/bundle")))

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request; what may be a blip is tried again for some seconds."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                if attempt == ATTEMPTS:
                    raise ServiceUnreachable(
                        f"no generation service answers at {self.url} ({error}): see whether it runs and what its log "
                        f"says; {self.url}/health tells when it is ready"
                    ) from error
            else:
                if response.status_code not in {502, 503, 504} or attempt == ATTEMPTS:
                    return response
            time.sleep(0.25 * 2**attempt * random.uniform(0.5, 1.0))  # noqa: S311  # spread, not secrecy
        raise AssertionError("the loop always returns or raises")

    def _checked(self, response: httpx.Response) -> Any:
        if response.is_success:
            return response.json()
        at, said = f"the generation service at {self.url}", _detail(response)
        if response.status_code == 401:
            raise ServiceError(f"{at} does not accept our token: {TOKEN_VARIABLE} differs between it and this task")
        if response.status_code == 404:
            raise JobUnknown(f"{at}: {said}")
        if response.status_code in {502, 503, 504}:
            raise ServiceUnreachable(f"{at} cannot work now: {said}; {self.url}/health says what it waits for")
        raise ServiceError(f"{at} answers {response.status_code}: {said}")


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        for name, value in item.items()
    }


def _advice(response: httpx.Response) -> float:
    """Seconds that the service advises to wait, between 1 and 60."""
    try:
        return min(60.0, max(1.0, float(response.headers.get("Retry-After", "5"))))
    except ValueError:
        return 5.0


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return response.text[:300] or response.reason_phrase
