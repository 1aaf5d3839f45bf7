"""The parts of a set-up: what each runs, with which environment, where it listens and when it is healthy."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from brief.settings import Settings
from embedded.airflow import airflow_environment
from embedded.home import BUCKET, PROJECT, Home
from embedded.seaweedfs import REGION
from pipeline.credentials import CERTIFICATE_VARIABLE, KEY_VARIABLE

INHERITED = ("LANG", "LC_ALL", "TZ", "CUDA_VISIBLE_DEVICES")
"""Variables of the person who starts it all that reach the parts."""
SETTINGS = ("bundle", "gpu_hour_price", "deadline_hours", "webhook_url", "webhook_secret")
"""Settings of that person that reach them."""
PUBLISHING = ("signing_certificate", "signing_key", "signing_algorithm", "signing_timestamps", "public_url")
"""Those that say how pictures are published."""


@dataclass(frozen=True, slots=True)
class Part:
    """A program that the supervisor runs.

    Attributes:
        address: where a person or a client finds it; empty if it listens nowhere.
        answers: whether it is healthy, asked of the part itself.
        stop_signal: which ends it in an orderly way.
        stop_group: whether its child processes get the signal too, or are ended by their parent.
        stop_seconds: after which it is ended by force.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    address: str
    answers: Callable[[], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    stop_group: bool = True
    stop_seconds: int = 15


def parts(home: Home) -> tuple[Part, ...]:
    """Every part, in the order of their start; they end the other way round."""
    postgres = Part(
        "postgres",
        home.postgres.command(),
        {},
        f"127.0.0.1:{home.ports.postgres}",
        home.postgres.answers,
        # Fast shutdown; PostgreSQL tells its own children, to whom the same signal would mean something else.
        stop_signal=signal.SIGINT,
        stop_group=False,
        stop_seconds=60,
    )
    s3 = Part("s3", home.s3.command(), home.s3.environment(), home.s3.endpoint, home.s3.answers)
    command = [sys.executable, "-m", "uvicorn", "service.app:create_app", "--factory"]
    listen = ["--host", "127.0.0.1", "--port", str(home.ports.service), "--no-access-log", "--limit-concurrency", "256"]
    service_environment = {
        **lookbook_environment(home),
        "LOOKBOOK_BUNDLE": str(home.bundle),
        # By default an idle OpenMP thread spins, which starves whatever else has work for its core.
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    service = Part(
        "service",
        [*command, *listen],
        service_environment,
        home.service_url,
        lambda: _is_up(home),
        stop_seconds=30,  # it finishes the batch it is at
    )
    return (postgres, s3, service, *_airflow_parts(home))


def part(home: Home, name: str) -> Part:
    """The part called ``name``."""
    return next(each for each in parts(home) if each.name == name)


def lookbook_environment(home: Home) -> dict[str, str]:
    """The variables by which Lookbook's own programs find the catalog, the bucket and the generation service."""
    return {
        "LOOKBOOK_DATABASE_URL": home.database_url,
        "LOOKBOOK_S3_ENDPOINT": home.s3.endpoint,
        "LOOKBOOK_S3_ACCESS_KEY": home.credentials.s3_access_key,
        "LOOKBOOK_S3_SECRET_KEY": home.credentials.s3_secret_key,
        "LOOKBOOK_S3_BUCKET": BUCKET,
        "LOOKBOOK_S3_REGION": REGION,
        "LOOKBOOK_S3_ADDRESSING": "path",
        "LOOKBOOK_SERVICE_URL": home.service_url,
        "LOOKBOOK_SERVICE_TOKEN": home.credentials.service_token,
        **publishing_environment(home),
    }


def publishing_environment(home: Home) -> dict[str, str]:
    """With what published files are signed, and under which addresses they are listed: the user's own, else the
    set-up's certificate for trials."""
    own = Settings.handed_on(PUBLISHING)
    if CERTIFICATE_VARIABLE not in own:
        own[CERTIFICATE_VARIABLE], own[KEY_VARIABLE] = str(home.certificate), str(home.signing_key)
    return own


def base_environment(home: Home) -> dict[str, str]:
    """What every part gets: ours to find packages, and nothing that writes outside the home."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    root = home.root
    return {
        **inherited,
        **Settings.handed_on(SETTINGS),
        **publishing_environment(home),
        "PATH": os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath))),
        "PYTHONPATH": str(PROJECT),
        "PYTHONUNBUFFERED": "1",
        "LOOKBOOK_HOME": str(root),
        "LOOKBOOK_SUPERVISED": str(root),  # by this `stop` knows them
        "HOME": str(root),
        "TMPDIR": str(root / "tmp"),
        "HF_HOME": str(root / "huggingface"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NUMBA_CACHE_DIR": str(root / "numba"),
        "XDG_CACHE_HOME": str(root / "cache"),
        "XDG_CONFIG_HOME": str(root / "config"),
        "XDG_DATA_HOME": str(root / "data"),
        "XDG_RUNTIME_DIR": str(root / "tmp"),
        "NO_PROXY": "127.0.0.1,localhost",
        # Programs that show their state as their process title would overwrite the environment, by which we know them.
        "SPT_NOENV": "1",
    }


def _airflow_parts(home: Home) -> list[Part]:
    environment = {**lookbook_environment(home), **airflow_environment(home)}
    wanted = {
        "airflow-api": (["api-server"], "metadatabase"),
        # Without --skip-serve-logs each would serve its logs to the network; here everybody reads the same folder.
        "airflow-scheduler": (["scheduler", "--skip-serve-logs"], "scheduler"),
        "airflow-dag-processor": (["dag-processor"], "dag_processor"),
        "airflow-triggerer": (["triggerer", "--skip-serve-logs"], "triggerer"),
    }
    return [
        Part(
            name,
            [sys.executable, "-m", "airflow", *arguments],
            environment,
            home.airflow_url if name == "airflow-api" else "",
            lambda reported=reported: _airflow_reports(home, reported),  # type: ignore[misc]
        )
        for name, (arguments, reported) in wanted.items()
    ]


def _is_up(home: Home) -> bool:
    try:
        return httpx.get(f"{home.service_url}/health", timeout=3, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _airflow_reports(home: Home, part_name: str) -> bool:
    """Whether Airflow's API server says that its part is healthy."""
    try:
        response = httpx.get(f"{home.airflow_url}/api/v2/monitor/health", timeout=5, trust_env=False)
        return bool(response.is_success and response.json()[part_name]["status"] == "healthy")
    except (httpx.TransportError, ValueError, KeyError):
        return False
