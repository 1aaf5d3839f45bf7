"""The few calls of Airflow's REST API that a run by hand would click."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx
from tenacity import Retrying, stop_after_attempt, wait_fixed

from brief.errors import EmbeddedError
from embedded.home import ADMIN, Home

ANSWER_SECONDS = 90
DAG_SECONDS = 300
"""Patience until the dag-processor has read a DAG's file."""
ENDED = frozenset({"success", "failed"})


class AirflowError(EmbeddedError):
    """Airflow refuses, or does not know the DAG; says what it answered."""


class AirflowApi:
    """Airflow's REST API as the administrator."""

    def __init__(self, home: Home) -> None:
        # Its first answers come slowly, while it builds its routes.
        self._client = httpx.Client(base_url=home.airflow_url, timeout=ANSWER_SECONDS, trust_env=False)
        login = {"username": ADMIN, "password": home.credentials.airflow_admin}
        token = self._ask("POST", "/auth/token", json=login)["access_token"]
        self._client.headers["Authorization"] = f"Bearer {token}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def set_pool(self, name: str, slots: int, description: str) -> None:
        """Make the pool, or change it to that size."""
        body = {"name": name, "slots": slots, "description": description, "include_deferred": True}
        if self._answer("GET", f"/api/v2/pools/{name}").status_code == httpx.codes.NOT_FOUND:
            self._ask("POST", "/api/v2/pools", json=body)
        else:
            body["pool"] = body.pop("name")
            self._ask("PATCH", f"/api/v2/pools/{name}", json=body)

    def wait_for_dag(self, dag: str) -> None:
        """Wait until Airflow has read ``dag`` from its file.

        Raises:
            AirflowError: it has not after :data:`DAG_SECONDS`; carries the errors of files that cannot be read.
        """
        deadline = time.monotonic() + DAG_SECONDS
        while self._answer("GET", f"/api/v2/dags/{dag}").status_code == httpx.codes.NOT_FOUND:
            if time.monotonic() > deadline:
                errors = self._ask("GET", "/api/v2/importErrors")["import_errors"]
                said = "\n".join(f"{each['filename']}: {each['stack_trace']}" for each in errors)
                raise AirflowError(f"Airflow has not found DAG {dag!r} in {DAG_SECONDS} s. {said}")
            time.sleep(0.5)

    def trigger(self, dag: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run of ``dag``, and unpause it; returns the run's id."""
        body = {"logical_date": None, "conf": conf or {}}
        run = str(self._ask("POST", f"/api/v2/dags/{dag}/dagRuns", json=body)["dag_run_id"])
        self.unpause(dag)
        return run

    def announce(self, uri: str, extra: Mapping[str, Any]) -> bool:
        """Tell Airflow that the asset ``uri`` was updated, which starts the DAGs that wait for it; returns whether it
        knows the asset."""
        known = self._ask("GET", "/api/v2/assets", params={"uri_pattern": uri})["assets"]
        for asset in known:
            if asset["uri"] == uri:
                self._ask("POST", "/api/v2/assets/events", json={"asset_id": asset["id"], "extra": dict(extra)})
                return True
        return False

    def unpause(self, dag: str) -> None:
        """Let ``dag`` run; one with a schedule is run for its latest interval at once."""
        self._ask("PATCH", f"/api/v2/dags/{dag}", json={"is_paused": False})

    def run_state(self, dag: str, run: str) -> str:
        """``queued``, ``running``, ``success`` or ``failed``."""
        return str(self._ask("GET", f"/api/v2/dags/{dag}/dagRuns/{run}")["state"])

    def tasks_in(self, dag: str, run: str, state: str) -> list[str]:
        """Ids of the tasks of a run that are in ``state``; ``failed`` are those that failed by themselves."""
        asked = self._ask("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances", params={"state": state})
        return [str(each["task_id"]) for each in asked["task_instances"]]

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        response = self._answer(method, path, **options)
        if response.is_error:
            raise AirflowError(f"Airflow answers {response.status_code} to {method} {path}: {response.text[:500]}")
        return response.json()

    def _answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The response; what only reads is tried three times, since watching a long run should survive a blip."""
        tries = 3 if method == "GET" else 1
        try:
            for attempt in Retrying(stop=stop_after_attempt(tries), wait=wait_fixed(2), reraise=True):
                with attempt:
                    return self._client.request(method, path, **options)
        except httpx.TransportError as error:
            raise AirflowError(f"Airflow does not answer {method} {path}: {error!r}") from error
        raise AssertionError("the loop returns or raises")
