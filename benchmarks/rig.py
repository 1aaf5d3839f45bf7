"""Real servers on loopback, supervised from here: PostgreSQL, S3 behind a proxy that can be told to fail, generation
services. For measurements that need no Airflow.

What is killed is started again, as supervisord and Docker do. Everything lies below one folder.
"""

from __future__ import annotations

import io
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from PIL import Image, ImageDraw

from benchmarks.s3_proxy import S3Proxy, s3_proxy
from brief.face_spec import FaceSpec
from brief.types import Campaign, Environment, Framing, ImageRef, Persona, Product, Rendition
from embedded.ports import free_port
from embedded.postgres import PostgresServer
from embedded.seaweedfs import SeaweedServer
from storage.bucket.objects import Objects
from storage.bucket.settings import ObjectSettings
from storage.catalog.catalog import Catalog
from storage.catalog.database import make_engine
from storage.migrations import migrate

ROOT = Path(__file__).resolve().parents[1]
BUCKET = "lookbook"
FIRST_PORT = 31000
UP_SECONDS = 180.0
MINIATURE = "service.app:create_app"
TIMED = "benchmarks.timed_service:create_app"
"""The service's application: as it ships, or with a clock in place of the models."""


@dataclass
class Server:
    """A program that is started again when it ends, until it is stopped."""

    name: str
    command: list[str]
    environment: dict[str, str]
    answers: Callable[[], bool]
    log: Path
    before: Callable[[], object] = lambda: None
    stop_signal: signal.Signals = signal.SIGTERM
    starts: int = 0
    wanted: bool = False
    process: subprocess.Popen[bytes] | None = None

    def see_to(self) -> None:
        """Start it if it should run and does not."""
        if self.wanted and (self.process is None or self.process.poll() is not None):
            self.before()
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    self.command, cwd=ROOT, env={**os.environ, **self.environment}, stdout=log, stderr=log
                )
            self.starts += 1

    def kill(self) -> None:
        """What the OOM killer does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """End it in an orderly way, by force after half a minute."""
        self.wanted = False
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()


@dataclass
class Rig:
    """What runs, and how to reach it. ``catalog`` and ``objects`` go around the proxy."""

    folder: Path
    servers: dict[str, Server]
    proxy: S3Proxy
    catalog: Catalog
    objects: Objects
    environment: dict[str, str]
    services: list[str] = field(default_factory=list)

    @property
    def service_logs(self) -> list[Path]:
        return [server.log for name, server in self.servers.items() if name.startswith("service")]

    def wait_until_up(self, names: tuple[str, ...] = ()) -> None:
        """Until these servers answer (all, where none is named)."""
        for name in names or tuple(self.servers):
            until(self.servers[name].answers, f"{name} answers")


def until(
    holds: Callable[[], object],
    what: str,
    seconds: float = UP_SECONDS,
    progress: Callable[[], object] = lambda: None,
) -> None:
    """Wait until something holds, for as long as ``progress`` gives another value every so many seconds.

    Raises:
        TimeoutError: it does not.
    """
    deadline, seen = time.monotonic() + seconds, progress()
    while not holds():
        if time.monotonic() > deadline:
            now = progress()
            if now == seen:
                raise TimeoutError(f"no progress for {seconds:.0f} s: {what}")
            deadline, seen = time.monotonic() + seconds, now
        time.sleep(0.05)


@dataclass(frozen=True)
class Stores:
    """A catalog and a bucket alone; ``postgres`` is the server's process."""

    catalog: Catalog
    objects: Objects
    postgres: int


@contextmanager
def stores(folder: Path) -> Iterator[Stores]:
    """PostgreSQL and S3 as they ship, durable, without a proxy between."""
    taken: list[int] = []

    def port(*, with_twin: bool = False) -> int:
        taken.append(free_port(FIRST_PORT + 1500, taken, with_twin=with_twin))
        return taken[-1]

    postgres = PostgresServer(folder / "postgres", port(), secrets.token_hex(8))
    s3 = SeaweedServer(folder / "s3", "stores", secrets.token_hex(16), *(port(with_twin=True) for _ in range(5)))
    servers = _stores(folder, postgres, s3)
    with _supervised(servers):
        objects = _filled(postgres, s3, servers)
        with Catalog.at(postgres.url("lookbook")) as catalog:
            process = servers["postgres"].process
            assert process is not None
            yield Stores(catalog, objects, process.pid)


def _stores(folder: Path, postgres: PostgresServer, s3: SeaweedServer) -> dict[str, Server]:
    postgres.initialise()
    s3.initialise()
    log = folder / "postgres.log"
    interrupted = Server("postgres", postgres.command(), {}, postgres.answers, log, stop_signal=signal.SIGINT)
    bucket = Server("s3", s3.command(), s3.environment(), s3.answers, folder / "s3.log", before=s3.remove_sockets)
    return {"postgres": interrupted, "s3": bucket}


def _filled(postgres: PostgresServer, s3: SeaweedServer, servers: Mapping[str, Server]) -> Objects:
    """Up, with an empty catalog and an empty bucket."""
    _have_up(servers["postgres"], servers["s3"])
    postgres.create_database("lookbook")
    engine = make_engine(postgres.url("lookbook"))
    migrate(engine)
    engine.dispose()
    objects = Objects(ObjectSettings(BUCKET, s3.endpoint, s3.access_key, s3.secret_key))
    objects.ensure_bucket()
    s3.sync_writes(BUCKET)
    return objects


@contextmanager
def rig(
    folder: Path, bundle: Path, *, services: int = 1, application: str = MINIATURE, seed: int = 0, batch: int = 2
) -> Iterator[Rig]:
    """Everything up and answering; ended again at the end."""
    with ExitStack() as stack:
        taken: list[int] = []

        def port(*, with_twin: bool = False) -> int:
            taken.append(free_port(FIRST_PORT + seed % 50 * 20, taken, with_twin=with_twin))
            return taken[-1]

        postgres = PostgresServer(folder / "postgres", port(), secrets.token_hex(8))
        s3 = SeaweedServer(folder / "s3", "rig", secrets.token_hex(16), *(port(with_twin=True) for _ in range(5)))
        proxy = stack.enter_context(s3_proxy(port(), s3.s3, seed))
        ports = [port() for _ in range(services)]
        environment = {
            "LOOKBOOK_DATABASE_URL": postgres.url("lookbook"),
            "LOOKBOOK_S3_BUCKET": BUCKET,
            "LOOKBOOK_S3_ENDPOINT": f"http://127.0.0.1:{proxy.server_address[1]}",
            "LOOKBOOK_S3_ACCESS_KEY": s3.access_key,
            "LOOKBOOK_S3_SECRET_KEY": s3.secret_key,
            "LOOKBOOK_SERVICE_URL": ",".join(f"http://127.0.0.1:{each}" for each in ports),
            "LOOKBOOK_SERVICE_TOKEN": secrets.token_hex(16),
            "LOOKBOOK_SERVICE_BATCH": str(batch),
            "LOOKBOOK_BUNDLE": str(bundle),
            "OMP_NUM_THREADS": "1",
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        servers = _stores(folder, postgres, s3)
        for number, each in enumerate(ports, 1):
            name = f"service-{number}"
            servers[name] = _service(name, each, application, environment, folder)
        stack.enter_context(_supervised(servers))
        objects = _filled(postgres, s3, servers)
        _have_up(*servers.values())
        catalog = stack.enter_context(Catalog.at(postgres.url("lookbook")))
        yield Rig(folder, servers, proxy, catalog, objects, environment, [f"http://127.0.0.1:{each}" for each in ports])


def _have_up(*servers: Server) -> None:
    for server in servers:
        server.wanted = True
    for server in servers:
        until(server.answers, f"{server.name} answers, see {server.log}")


@contextmanager
def _supervised(servers: Mapping[str, Server]) -> Iterator[None]:
    over = threading.Event()

    def look_after() -> None:
        while not over.wait(0.3):
            for server in servers.values():
                server.see_to()

    thread = threading.Thread(target=look_after, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for server in reversed([*servers.values()]):
            server.stop()
        servers["s3"].before()


def _service(name: str, port: int, application: str, environment: dict[str, str], folder: Path) -> Server:
    command = [sys.executable, "-m", "uvicorn", "--factory", application, "--port", str(port), "--no-access-log"]

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/health", timeout=3, trust_env=False).is_success
        except httpx.TransportError:
            return False

    return Server(name, command, environment, answers, folder / f"{name}.log")


def put_rows(catalog: Catalog, objects: Objects, name: str, products: int, places: int, **brief: object) -> Campaign:
    """A campaign ``name`` of ``products`` x ``places`` shots, its rows and pictures; the persona is its own, so that
    its portrait is made, too."""
    skus = [f"{name}-{number}" for number in range(products)]
    catalog.save_products(Product(sku, f"mug {sku}", "mug", _image(objects, "pack", n)) for n, sku in enumerate(skus))
    spots = [f"place {number}" for number in range(places)]
    catalog.save_environments(
        Environment(each, f"at {each}", _image(objects, "place", n)) for n, each in enumerate(spots)
    )
    seed = int.from_bytes(name.encode()[-4:])
    catalog.save_personas([Persona(name, FaceSpec(age_band="adult"), seed)])
    values: dict[str, object] = {
        "name": name,
        "title": name,
        "products": tuple(skus),
        "environments": tuple(spots),
        "personas": (name,),
        "framings": (Framing.HELD,),
        "recipe": "draft",
        "renditions": (Rendition("web", 48, 48),),
        "prompt": f"for {name}",
        **brief,
    }
    wanted = Campaign(**values)  # type: ignore[arg-type]
    catalog.save_campaigns([wanted])
    return wanted


def _image(objects: Objects, kind: str, number: int) -> ImageRef:
    hue = (40 * number % 256, 90, 200 - 20 * number % 200)
    if kind == "pack":
        picture = Image.new("RGBA", (60, 80), (255, 255, 255, 0))
        ImageDraw.Draw(picture).rectangle((15, 10, 45, 70), fill=(*hue, 255))
    else:
        picture = Image.new("RGB", (64, 64), hue)
    data = io.BytesIO()
    picture.save(data, "PNG")
    return objects.put(f"catalog/{kind}-{number}.png", data.getvalue(), "image/png").ref
