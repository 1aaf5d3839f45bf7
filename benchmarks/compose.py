"""docker-compose.yml run without containers: every service with its own command, user, environment, networks, volumes,
health check and order, in network and mount namespaces of its own. For machines without a Docker engine.

What differs from containers is printed: packages are installed beside each other instead of in images, PostgreSQL,
Redis and SeaweedFS are this machine's programs, torch is the build for processors, and no GPU is reserved.

Needs root on Linux, ``ip``, ``unshare`` and ``setpriv``, ``redis-server`` and PostgreSQL's client programs.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import shutil
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks import results
from benchmarks.container_images import PROJECT, build, build_other
from benchmarks.containers import READY_SECONDS, Topology

RUN_SECONDS = 1800


@contextmanager
def topology(root: Path, variables: Mapping[str, str]) -> Iterator[Topology]:
    """A built topology, of which nothing is started; everything is gone afterwards."""
    compose = _read_compose(variables)
    for target in ("airflow", "generation"):
        build(root, target)
    build_other(root)
    for folder in ("logs", "own", "volumes", "configs"):
        shutil.rmtree(root / folder, ignore_errors=True)
    (root / "logs").mkdir()
    for mounted in ("/opt/lookbook", "/opt/airflow"):
        Path(mounted).mkdir(parents=True, exist_ok=True)
    made = Topology(root, compose, f"c{os.getpid() % 10000}")
    with ExitStack() as stack:
        stack.callback(made.down)
        made.networks()
        yield made


def main(arguments: list[str]) -> int:
    """Entry point; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks compose", description=__doc__)
    parser.add_argument(
        "--keep", type=Path, help="a folder for logs and packages, which stays; packages there are used again"
    )
    chosen = parser.parse_args(arguments)
    if os.geteuid() or not all(map(shutil.which, ("ip", "unshare", "setpriv", "redis-server", "psql"))):
        print("needs root, ip, unshare, setpriv, redis-server and psql", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="compose-") as name:
        root = chosen.keep or Path(name)
        root.mkdir(exist_ok=True)
        root.chmod(0o755)
        seen = _tried(root)
    print(results.table([seen]))
    results.keep("compose", "python -m benchmarks compose", [seen])
    shared = all(number for name, number in seen.items() if name.startswith("made by"))
    return 0 if seen["run"] == "success" and seen["published"] and not seen["failed"] and shared else 1


def _tried(root: Path) -> dict[str, Any]:
    """The file's own three commands with two services, then a run of the sample catalog."""
    two = {
        "LOOKBOOK_SERVICE_URL": "http://generation:8500,http://generation-2:8500",
        "LOOKBOOK_GPU_SLOTS": "4",
    }
    given = {**_secrets(), **two}
    with topology(root, given) as running:
        started = time.monotonic()
        services = running.compose["services"]
        running.up([name for name, spec in services.items() if set(spec.get("profiles", ())) <= {"two-gpus"}])
        up = time.monotonic() - started
        said = running.once("storage", ["import", "examples/catalog"])
        print(said.strip().splitlines()[-1], flush=True)
        api = running.containers["airflow-apiserver"].addresses["outer"]
        with httpx.Client(base_url=f"http://{api}:8080", timeout=90, trust_env=False) as client:
            seconds, state = _run_catalog(client, given["AIRFLOW_ADMIN_PASSWORD"])
            status = running.once("storage", ["status"])
            made = {
                f"made by {name}": _items(client, running.containers[name].addresses["outer"], given)
                for name in ("generation", "generation-2")
            }
        print(status)
    ended = {word: sum(map(int, re.findall(rf"(\d+) {word}", status))) for word in ("published", "review", "failed")}
    return {
        "services": len(running.containers),
        "up s": round(up),
        "run s": round(seconds),
        "run": state,
        **ended,
        **made,
    }


def _items(client: httpx.Client, address: str, given: Mapping[str, str]) -> int:
    """How many items a generation service made, all stages together."""
    bearer = {"Authorization": f"Bearer {given['LOOKBOOK_SERVICE_TOKEN']}"}
    text = client.get(f"http://{address}:8500/metrics", headers=bearer).raise_for_status().text
    made = re.findall(r'^lookbook_items_total\{[^}]*outcome="made"[^}]*\} (\S+)$', text, re.MULTILINE)
    return int(sum(map(float, made)))


def _run_catalog(client: httpx.Client, password: str) -> tuple[float, str]:
    token = client.post("/auth/token", json={"username": "admin", "password": password}).raise_for_status()
    client.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
    deadline = time.monotonic() + READY_SECONDS
    while client.get("/api/v2/dags/catalog").status_code != httpx.codes.OK:
        if time.monotonic() > deadline:
            raise RuntimeError("the dag-processor has not read dags/catalog.py")
        time.sleep(2)
    client.patch("/api/v2/dags/catalog", json={"is_paused": False}).raise_for_status()
    started = time.monotonic()
    conf = {"outstanding": True}
    made = client.post("/api/v2/dags/catalog/dagRuns", json={"logical_date": None, "conf": conf}).raise_for_status()
    run = made.json()["dag_run_id"]
    while time.monotonic() - started < RUN_SECONDS:
        state = client.get(f"/api/v2/dags/catalog/dagRuns/{run}").raise_for_status().json()["state"]
        if state in ("success", "failed"):
            return time.monotonic() - started, state
        time.sleep(3)
    raise RuntimeError(f"run {run} is {state} after {RUN_SECONDS} s")


def _secrets() -> dict[str, str]:
    """A filled-in .env.example."""
    names = re.findall(r"^(\w+)=$", (PROJECT / ".env.example").read_text(), re.MULTILINE)
    made = {name: secrets.token_hex(16) for name in names}
    made["AIRFLOW_JWT_SECRET"] = secrets.token_hex(64)
    made["AIRFLOW_FERNET_KEY"] = urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return made


def _read_compose(given: Mapping[str, str]) -> Any:
    """The compose file with its variables filled in, as the specification says; ``$$`` is a dollar sign.

    Raises:
        RuntimeError: a variable that must be given is not.
    """

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        name, needed, default = match[1], match[2] == ":?", match[3] or ""
        if needed and not given.get(name):
            raise RuntimeError(f"docker-compose.yml needs {name}")
        return given.get(name) or default

    def filled(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: filled(each) for key, each in node.items()}
        if isinstance(node, list):
            return [filled(each) for each in node]
        return re.sub(r"\$\$|\$\{(\w+)(?:(:\?|:-)([^}]*))?\}", value, node) if isinstance(node, str) else node

    return filled(yaml.safe_load((PROJECT / "docker-compose.yml").read_text()))
