"""Airflow's configuration as environment variables: every secret is given, nothing is left to be drawn at start.

Two programs of Airflow that start at once each write their own random secret where none is given, and tasks then fail
without a log.
"""

from __future__ import annotations

import json
from urllib.parse import quote

from embedded.home import ACCOUNTS, BUCKET, PROJECT, REVIEWER, Home
from embedded.seaweedfs import REGION

PARALLELISM = 6
"""Tasks at once. They mostly wait for the generation service; each costs some 40 MB."""


def airflow_environment(home: Home) -> dict[str, str]:
    """Environment variables for every program of Airflow."""
    folder = home.root / "airflow"
    return {
        "AIRFLOW_HOME": str(folder),
        **{f"AIRFLOW__{name}": value for name, value in {**_core(home), **_programs(home), **_secrets(home)}.items()},
        **{f"AIRFLOW_CONN_{name}": value for name, value in _connections(home).items()},
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
