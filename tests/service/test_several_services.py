"""More than one generation service: who gets a job and what a dead one leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from brief.face_spec import FaceSpec
from brief.recipe import portrait_key
from brief.types import Persona
from embedded.ports import free_port
from embedded.seaweedfs import SeaweedServer
from pipeline.stage_job import run_stage
from service.client import GenerationClient
from service.protocol import ItemResult, Stage, job_id
from storage.bucket.objects import Objects
from storage.bucket.settings import ObjectSettings
from tests.running_service import TOKEN, running_service

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def settings(s3_server: SeaweedServer) -> ObjectSettings:
    chosen = ObjectSettings("service", s3_server.endpoint, s3_server.access_key, s3_server.secret_key)
    Objects(chosen).ensure_bucket()
    return chosen


@contextmanager
def service_process(bundle: Path, objects: ObjectSettings) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A service in a process of its own, which can be killed; yields its address once it is ready."""
    port = free_port(28000 + os.getpid() % 1000)
    environment = {
        **os.environ,
        "LOOKBOOK_BUNDLE": str(bundle),
        "LOOKBOOK_SERVICE_TOKEN": TOKEN,
        "LOOKBOOK_SERVICE_BATCH": "1",
        "LOOKBOOK_S3_BUCKET": objects.bucket,
        "LOOKBOOK_S3_ENDPOINT": objects.endpoint or "",
        "LOOKBOOK_S3_ACCESS_KEY": objects.access_key or "",
        "LOOKBOOK_S3_SECRET_KEY": objects.secret_key or "",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "uvicorn", "--factory", "service.app:create_app", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90
        while not _ready(url):
            assert process.poll() is None, "the service ended"
            assert time.monotonic() < deadline, "the service does not come up"
            time.sleep(0.05)
        yield url, process
    finally:
        process.kill()
        process.wait()


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).is_success
    except httpx.TransportError:
        return False


def portraits(bundle: str, count: int, first: int) -> dict[str, dict[str, object]]:
    """Items of stage face by key, none of which anybody made before."""
    people = [Persona(f"person {number}", FaceSpec(age_band="adult"), first + number) for number in range(count)]
    keys = [portrait_key(each, bundle) for each in people]
    return {key: {"portrait_key": key, "persona": each} for key, each in zip(keys, people, strict=True)}


def knows(url: str, job: str) -> bool:
    return httpx.get(f"{url}/v1/jobs/{job}", headers={"Authorization": f"Bearer {TOKEN}"}).is_success


def test_jobs_spread_and_a_service_killed_in_mid_job_loses_nothing(miniature: Path, settings: ObjectSettings) -> None:
    with (
        running_service(miniature, settings) as one,
        service_process(miniature, settings) as (two, process),
        GenerationClient(f"{one.url}, {two}", TOKEN) as client,
    ):
        bundle = client.bundle().fingerprint
        one.submit("long", Stage.FACE, list(portraits(bundle, 200, 1000).values()))
        items = portraits(bundle, 30, 3000)
        shard = job_id("run", Stage.FACE, list(items))
        results: list[ItemResult] = []

        def record(result: ItemResult) -> None:
            results.append(result)
            if len(results) == 3:
                assert knows(two, shard), "the service with less to do got the shard"
                assert not knows(one.url, shard)
                client.cancel("long")
                process.kill()
                process.wait()

        run_stage(client, "run", Stage.FACE, items, record)
        assert sorted(each.key for each in results) == sorted(items)
        assert {each.error for each in results} == {None}
        assert knows(one.url, shard)


def test_a_job_stays_with_the_service_that_has_it(miniature: Path, settings: ObjectSettings) -> None:
    with running_service(miniature, settings) as one, running_service(miniature, settings) as two:
        items = list(portraits(one.bundle().fingerprint, 2, 5000).values())
        for _ in range(20):  # as from twenty processes, which remember nothing of each other
            with GenerationClient(f"{one.url},{two.url}", TOKEN) as client:
                client.submit("same", Stage.FACE, items)
        assert sorted([knows(one.url, "same"), knows(two.url, "same")]) == [False, True]
