"""Speaks to the generation services from a light process: httpx, no torch.

There is one service per GPU. A job goes to the service that has it already, else to the one with the least to do; if
that one dies, the job moves to another, which keeps what was made. Why not a queue in the database or Ray Serve:
``benchmarks/services.md``.

Every error names the service's address and what to do, for it is read at night in a task's log.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from typing import Any, Self

import httpx
from pydantic import TypeAdapter
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from brief.errors import ServiceError, SettingsError
from brief.settings import Settings
from brief.types import BundleInfo
from service.protocol import Job, Stage

_BUNDLE = TypeAdapter(BundleInfo)
ATTEMPTS = 4
"""Tries of a request that meets no listener or a transient fault, before the caller's own retries take over."""


class ServiceUnreachable(ServiceError):
    """Nobody answers, or the service answers that it cannot work now."""


class ServiceBusy(ServiceError):
    """The queue stayed full up to the deadline."""


class JobNotFound(ServiceError):
    """The service does not know this job, as after its restart: submit it again, what was made is kept."""


class _Service:
    """Requests to one service; ``url`` without a slash at its end."""

    def __init__(self, url: str, token: str, transport: httpx.BaseTransport | None, origin: str) -> None:
        self.url, self.origin = url.rstrip("/"), origin
        headers = {"Authorization": f"Bearer {token}"}
        timeout = httpx.Timeout(30, connect=5)
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout, transport=transport)

    def close(self) -> None:
        self._http.close()

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request; what may be a blip is tried again for some seconds."""
        attempts = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.5, max=4),
            retry=retry_if_exception_type((httpx.TransportError, _NotReady)),
            sleep=lambda seconds: time.sleep(seconds),
            reraise=True,
        )
        try:
            return attempts(self._ask_once, method, path, **options)
        except _NotReady as answered:
            return answered.response
        except httpx.TransportError as error:
            raise ServiceUnreachable(
                f"no generation service answers at {self.url} ({error}): see whether it runs and what its log "
                f"says; {self.url}/health tells when it is ready"
            ) from error

    def _ask_once(self, method: str, path: str, **options: Any) -> httpx.Response:
        response = self._http.request(method, path, **options)
        if response.status_code in _CANNOT_WORK_NOW:
            raise _NotReady(response)
        return response

    def health(self) -> Mapping[str, Any] | None:
        """What ``/health`` says, or ``None`` where nobody answers; asked once, since others may serve as well."""
        try:
            answer = self._http.get("/health").json()
        except (httpx.TransportError, ValueError):
            return None
        return answer if isinstance(answer, Mapping) else None

    def checked(self, response: httpx.Response) -> Any:
        if response.is_success:
            return response.json()
        at, detail = f"the generation service at {self.url}", _detail(response)
        if response.status_code == 401:
            raise ServiceError(f"{at} does not accept our token: its LOOKBOOK_SERVICE_TOKEN and {self.origin} differ")
        if response.status_code == 404:
            raise JobNotFound(f"{at}: {detail}")
        if response.status_code in _CANNOT_WORK_NOW:
            raise ServiceUnreachable(f"{at} cannot work now: {detail}; {self.url}/health says what it waits for")
        raise ServiceError(f"{at} answers {response.status_code}: {detail}")


class GenerationClient:
    """Requests to the generation services, as if they were one.

    Args:
        url: address of the service, such as ``http://127.0.0.1:8701``; several are separated by commas.
        token: the bearer token that the services were started with.
        transport: another way to the services than the network, for tests.
        origin: where the token comes from, for messages.
    """

    def __init__(
        self, url: str, token: str, transport: httpx.BaseTransport | None = None, origin: str = "the token given here"
    ) -> None:
        self._services = [_Service(each.strip(), token, transport, origin) for each in url.split(",") if each.strip()]
        if not self._services:
            raise SettingsError("no generation service is named: LOOKBOOK_SERVICE_URL says where they are")
        self._has: dict[str, _Service] = {}

    @classmethod
    def from_env(cls) -> Self:
        """From ``LOOKBOOK_SERVICE_URL`` and ``LOOKBOOK_SERVICE_TOKEN``.

        Raises:
            SettingsError: one of them is not set.
        """
        known = Settings.read()
        url, token = known.needed("service_url"), known.needed("service_token")
        return cls(url, token, origin="the LOOKBOOK_SERVICE_TOKEN of this process")

    @property
    def count(self) -> int:
        """How many services there are."""
        return len(self._services)

    @property
    def url(self) -> str:
        """The services' addresses, for messages."""
        return ", ".join(each.url for each in self._services)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._services:
            each.close()

    def submit(self, job: str, stage: Stage, items: Sequence[Mapping[str, Any]], *, patience: float = 900.0) -> Job:
        """Hand in ``items`` under the id ``job``; the same id and items again give the job as it stands.

        Items hold JSON values or the dataclasses of :mod:`brief.types`. While all queues are full, waits as long
        as the services advise, at most ``patience`` seconds in all.

        Raises:
            ServiceBusy: the queues stayed full.
            ServiceError: see the class and its subclasses; also if the services have loaded different bundles.
        """
        body = {"id": job, "stage": stage.value, "items": [_plain(item) for item in items]}
        deadline = time.monotonic() + patience
        while True:
            response = self._submit_somewhere(job, body)
            if isinstance(response, Job):
                return response
            pause = _advice(response)
            if time.monotonic() + pause > deadline:
                raise ServiceBusy(
                    f"the queue of the generation service at {self.url} has been full for {patience:.0f} s: "
                    "lower the slots of Airflow's pool 'gpu', or start another service"
                )
            time.sleep(pause)

    def _submit_somewhere(self, job: str, body: Mapping[str, Any]) -> Job | httpx.Response:
        """The job, or the answer of a full queue if all are full."""
        full: httpx.Response | None = None
        unreachable: ServiceUnreachable | None = None
        for service in self._by_preference(job):
            try:
                response = service.ask("POST", "/v1/jobs", json=body)
                if response.status_code == 429:
                    full = response
                    continue
                found = Job.from_json(service.checked(response))
            except ServiceUnreachable as error:
                unreachable = error
                continue
            self._has[job] = service
            return found
        if full is not None:
            return full
        raise unreachable or ServiceUnreachable(f"no generation service answers at {self.url}")

    def _by_preference(self, job: str) -> list[_Service]:
        """Who is asked to take a job: first who has it, then those with the least to do, last the unreachable."""
        if len(self._services) == 1:
            return self._services
        seen = {service.url: service.health() for service in self._services}
        self._refuse_a_mixture({url: health for url, health in seen.items() if health})
        knows = {service.url for service in self._services if seen[service.url] and self._knows(service, job)}

        def rank(service: _Service) -> tuple[bool, bool, int]:
            health = seen[service.url] or {}
            ready = health.get("state") == "ready"
            return service.url not in knows, not ready, int(health.get("waiting", 0)) + bool(health.get("working"))

        return sorted(self._services, key=rank)

    def _knows(self, service: _Service, job: str) -> bool:
        with suppress(ServiceUnreachable):
            return service.ask("GET", f"/v1/jobs/{job}").is_success
        return False

    def _refuse_a_mixture(self, seen: Mapping[str, Mapping[str, Any]]) -> None:
        """Services with different bundles would make the shots of one plan in different ways.

        Raises:
            ServiceError: they do; names each with its bundle.
        """
        loaded = {url: health["fingerprint"] for url, health in seen.items() if health.get("fingerprint")}
        if len(set(loaded.values())) > 1:
            names = "; ".join(f"{url} has {seen[url].get('bundle')} {print_[:12]}" for url, print_ in loaded.items())
            raise ServiceError(
                f"the generation services have loaded different bundles: {names}; start all with the same "
                f"LOOKBOOK_BUNDLE, or take the wrong one out of LOOKBOOK_SERVICE_URL"
            )

    def job(self, job: str) -> Job:
        """The job as it stands, with the results so far.

        Raises:
            JobNotFound: the service was restarted since, never saw it, or is away while others are there.
        """
        service = self._has.get(job, self._services[0])
        try:
            return Job.from_json(service.checked(service.ask("GET", f"/v1/jobs/{job}")))
        except ServiceUnreachable as error:
            if len(self._services) == 1:
                raise
            raise JobNotFound(f"{error}; another service can go on with job {job}") from error

    def cancel(self, job: str) -> None:
        """End a job after the batch that is in flight; a job that is unknown or over is left as it is."""
        for service in [self._has[job]] if job in self._has else self._services:
            response = service.ask("DELETE", f"/v1/jobs/{job}")
            if response.status_code != 404:
                service.checked(response)

    def bundle(self) -> BundleInfo:
        """What the services have loaded.

        Raises:
            ServiceError: they have different bundles.
        """
        if len(self._services) > 1:
            self._refuse_a_mixture({each.url: health for each in self._services if (health := each.health())})
        unreachable: ServiceUnreachable | None = None
        for service in self._services:
            try:
                return _BUNDLE.validate_python(service.checked(service.ask("GET", "/v1/bundle")))
            except ServiceUnreachable as error:
                unreachable = error
        raise unreachable or ServiceUnreachable(f"no generation service answers at {self.url}")


_CANNOT_WORK_NOW = frozenset({502, 503, 504})


class _NotReady(Exception):
    """An answer that may be another in a moment."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(response.status_code)
        self.response = response


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
