"""The generation service on a real port, for tests on both sides of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn

from embedded.ports import free_port
from service.app import create_app
from service.client import GenerationClient
from service.settings import ServiceSettings
from storage.bucket.settings import ObjectSettings

TOKEN = "a-token-for-tests-only"


@contextmanager
def running_service(
    bundle: Path, objects: ObjectSettings, *, queue: int = 8, batch: int = 2
) -> Iterator[GenerationClient]:
    """A service that is ready; yields a client of it."""
    app = create_app(ServiceSettings(bundle, TOKEN, objects, batch=batch, queue=queue))
    port = free_port(27000)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        _until_ready(f"http://127.0.0.1:{port}/health")
        with GenerationClient(f"http://127.0.0.1:{port}", TOKEN) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


def _until_ready(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(url).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    raise RuntimeError(f"{url} did not become ready")
