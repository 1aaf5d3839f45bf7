"""The set-up's Airflow: its configuration, and the few calls of its REST API that a run by hand would click.

The configuration is environment variables, and every secret is given: two programs of Airflow that start at once each
write their own random secret where none is, and tasks then fail without a log.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from tenacity import Retrying, stop_after_attempt, wait_fixed

from brief.errors import EmbeddedError
from embedded.home import ACCOUNTS, ADMIN, BUCKET, PROJECT, REVIEWER, Home
from embedded.seaweedfs import REGION

PARALLELISM = 6
"""Tasks at once. They mostly wait for the generation service; each costs some 40 MB."""

NOT_WARNED_OF = "ignore:GitWildMatchPattern:DeprecationWarning"
"""Airflow itself uses what pathspec 1.0 deprecates, and would say so at the head of every task's log."""


def airflow_environment(home: Home) -> dict[str, str]:
    """Environment variables for every program of Airflow."""
    folder = home.root / "airflow"
    return {
        "AIRFLOW_HOME": str(folder),
        **{f"AIRFLOW__{name}": value for name, value in {**_core(home), **_programs(home), **_secrets(home)}.items()},
        **{f"AIRFLOW_CONN_{name}": value for name, value in _connections(home).items()},
        "PYTHONWARNINGS": NOT_WARNED_OF,
        # A task that forks off a busy parent hangs if OpenMP had threads there.
        "OMP_NUM_THREADS": "1",
    }


def write_passwords(home: Home) -> None:
    """The file in which Airflow's simple login looks up its users' passwords."""
    folder = home.root / "airflow"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "passwords.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(home.passwords))


def _core(home: Home) -> dict[str, str]:
    folder = home.root / "airflow"
    return {
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__PARALLELISM": str(PARALLELISM),
        "CORE__EXECUTION_API_SERVER_URL": f"{home.airflow_url}/execution/",
        "CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{account.role}" for name, account in ACCOUNTS.items()),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / "passwords.json"),
        "LOOKBOOK__REVIEWERS": REVIEWER,
        "DATABASE__SQL_ALCHEMY_CONN": home.postgres.url(
            "airflow", "airflow", home.credentials.airflow_database, driver="psycopg2"
        ),
        "LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        "LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(folder / "logs" / "dag_processor"),
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def _programs(home: Home) -> dict[str, str]:
    return {
        "API__HOST": "127.0.0.1",
        "API__PORT": str(home.ports.airflow),
        "API__BASE_URL": home.airflow_url,
        "API__WORKERS": "1",
        "SCHEDULER__ENABLE_HEALTH_CHECK": "False",  # one more server; the API server reports the same
        # A task of a scheduler that died is taken over by the next one at this check alone, whether it waits or runs
        # no more: heartbeats are read of a scheduler's own tasks. The default is five minutes.
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
        # Together under a minute until a killed task is noticed and tried again; the default is five.
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "50",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        # The default of 5 keeps a finished task's slot for seconds, and fails tasks whose trigger fires soon.
        "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        # The API server answers its very first task slowly, while it builds its versions.
        "WORKERS__EXECUTION_API_TIMEOUT": "30",
        "DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home.root / "airflow" / "dag_bundles"),
        "DAG_PROCESSOR__REFRESH_INTERVAL": "15",
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "120",  # of 30 s; a file that changed is read at once
    }


def _secrets(home: Home) -> dict[str, str]:
    return {
        "API__SECRET_KEY": home.credentials.airflow_api_secret,
        "API_AUTH__JWT_SECRET": home.credentials.airflow_jwt,
        "CORE__FERNET_KEY": home.credentials.airflow_fernet,
    }


def _connections(home: Home) -> dict[str, str]:
    """What the DAGs ask Airflow for: the catalog, the bucket, the generation service."""
    keys = home.credentials
    return {
        "LOOKBOOK_CATALOG": home.database_url.replace("postgresql+psycopg://", "postgresql://"),
        "LOOKBOOK_S3": json.dumps(
            {
                "conn_type": "aws",
                "login": keys.s3_access_key,
                "password": keys.s3_secret_key,
                "schema": BUCKET,
                "extra": {
                    "endpoint_url": home.s3.endpoint,
                    "region_name": REGION,
                    "bucket": BUCKET,
                },
            }
        ),
        "LOOKBOOK_SERVICE": f"http://:{quote(keys.service_token)}@127.0.0.1:{home.ports.service}",
    }


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
                problems = "\n".join(f"{each['filename']}: {each['stack_trace']}" for each in errors)
                raise AirflowError(f"Airflow has not found DAG {dag!r} in {DAG_SECONDS} s. {problems}")
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

    def run_seconds(self, dag: str, run: str) -> float:
        """From the start of a run that has ended to its end."""
        said = self._ask("GET", f"/api/v2/dags/{dag}/dagRuns/{run}")
        began, ended = (datetime.fromisoformat(said[each]) for each in ("start_date", "end_date"))
        return (ended - began).total_seconds()

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
