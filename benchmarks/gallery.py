"""How long the gallery's pages take over 100,000 pictures, and how PostgreSQL finds them.

``python -m benchmarks gallery [--shots N]``: fills a catalog of its own by SQL, asks for each page several times
through the application itself (no Airflow, no network), and keeps the server's time together with the plans of the
slowest queries. ``cpu_ms`` is the processor time of application and PostgreSQL per request, which is what a page takes
on a machine that does nothing else; ``wall_ms`` is what it took here.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from subprocess import DEVNULL, Popen
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import psutil
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event, text

from benchmarks import results
from brief.types import Verdict
from embedded.ports import free_port
from embedded.postgres import PostgresServer
from storage.catalog import runs
from storage.catalog.catalog import Catalog
from storage.catalog.runs import RunKey
from storage.migrations import migrate
from tests.storage.samples import planned, scored

ASKED, AIM_MS = 7, 150
RUN = RunKey("catalog", "nightly")
PRODUCTS = 2000
STATES = ("published",) * 6 + ("review",) * 2 + ("rejected", "failed")
PAGES = {
    "gallery": "/gallery/",
    "gallery, page 200": "/gallery/?after={mark}",
    "gallery, words": "/gallery/?text=mug-0123+beach",
    "gallery, words without a hit": "/gallery/?text=nothing-is-called-so",
    "gallery, state": "/gallery/?state=failed",
    "gallery, by SKU": "/gallery/?order=sku",
    "gallery, one SKU": "/gallery/?sku=MUG-0123",
    "reviews": "/gallery/reviews",
    "reviews, best first": "/gallery/reviews?order=best",
    "reviews, by reason": "/gallery/reviews?reason=soft",
    "one review": "/gallery/reviews/{review}?order=worst",
    "a shot": "/gallery/shot/{shot}",
    "a run of all shots": "/gallery/run/catalog/nightly",
    "its report": "/gallery/run/catalog/nightly/report",
    "campaigns": "/gallery/campaigns",
    "runs": "/gallery/runs",
    "audit log": "/gallery/audit",
}
WHOLE = ("its report", "campaigns")
"""Pages that count all shots; the aim is not theirs."""
_COPIES = (
    """INSERT INTO product SELECT r.* FROM product p, generate_series(1, :products) g,
    LATERAL jsonb_populate_record(p, jsonb_build_object('sku', 'MUG-' || lpad(g::text, 4, '0'))) r
    WHERE p.sku = 'MUG-1'""",
    """INSERT INTO shot SELECT r.* FROM shot s, generate_series(1, :shots) g,
    LATERAL jsonb_populate_record(s, jsonb_build_object(
        'key', md5(g::text), 'spec', jsonb_set(s.spec, '{value,key}', to_jsonb(md5(g::text))),
        'sku', 'MUG-' || lpad((g % :products + 1)::text, 4, '0'),
        'state', (CAST(:states AS text[]))[g % 10 + 1], 'updated_at', now() - g * interval '1 second',
        'reason', CASE WHEN g % 10 > 5 THEN 'sharpness 0.5 is below 0.6: the picture is soft' END)) r
    WHERE s.key = :like""",
    """INSERT INTO take SELECT r.* FROM take t, generate_series(1, :shots) g,
    LATERAL jsonb_populate_record(t, jsonb_build_object(
        'key', md5('t' || g), 'shot_key', md5(g::text), 'mean_score', random())) r
    WHERE t.shot_key = :like""",
    """INSERT INTO take_output SELECT r.* FROM take_output o JOIN take t ON t.key = o.take_key AND t.shot_key = :like,
    generate_series(1, :shots) g, LATERAL jsonb_populate_record(o, jsonb_build_object('take_key', md5('t' || g))) r""",
    """INSERT INTO review (shot_key, take_key, reasons, opened_at)
    SELECT md5(g::text), md5('t' || g), r.reasons, now() FROM review r, generate_series(1, :shots) g
    WHERE r.shot_key = :like AND g % 10 IN (6, 7)""",
    """INSERT INTO run_shot (dag_id, run_id, shot_key)
    SELECT 'catalog', 'nightly', md5(g::text) FROM generate_series(1, :shots) g""",
)


def main(arguments: list[str]) -> int:
    """Entry point; 1 if a page of the gallery or of the reviews takes longer than the aim."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gallery")
    parser.add_argument("--shots", type=int, default=100_000)
    shots = parser.parse_args(arguments).shots
    with tempfile.TemporaryDirectory() as folder, _catalog(Path(folder)) as (catalog, server):
        _fill(catalog, shots)
        rows, plans = _measure(catalog, server)
    print(results.table(rows))
    results.keep("gallery", f"python -m benchmarks gallery --shots {shots}", rows, shots=shots, plans=plans)
    return int(any(row["cpu_ms"] > AIM_MS for row in rows if row["page"] not in WHOLE))


@contextmanager
def _catalog(folder: Path) -> Iterator[tuple[Catalog, psutil.Process]]:
    server = PostgresServer(folder / "data", free_port(16432), "benchmark")
    server.initialise()
    process = Popen(server.command(durable=False), stdout=DEVNULL, stderr=DEVNULL, stdin=DEVNULL)
    try:
        while not server.answers():
            time.sleep(0.1)
        server.create_database("catalog")
        catalog = Catalog.at(server.url("catalog"))
        migrate(catalog.engine)
        yield catalog, psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def _fill(catalog: Catalog, shots: int) -> None:
    """One shot through the catalog's own functions, and copies of its rows."""
    (like,) = planned(catalog)
    take, _ = scored(catalog, like, verdict=Verdict.REVIEW, value=0.5)
    catalog.open_review(like.key, take.key, ["sharpness 0.5 is below 0.6: the picture is soft"])
    limits = {"thresholds": {"product": {"accept": 0.6}}}
    with catalog.begin() as session:
        runs.record_run(session, RUN, {}, limits, [[like.key]])
        values = {"shots": shots, "like": like.key, "products": PRODUCTS, "states": list(STATES)}
        for statement in _COPIES:
            named = {name: value for name, value in values.items() if f":{name}" in statement}
            session.execute(text(statement), named)
    with catalog.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def _measure(catalog: Catalog, server: psutil.Process) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    with _pages(catalog) as client:
        marks = _marks(client, catalog)
        rows, plans = [], {}
        for name, way in PAGES.items():
            address = way.format(**marks)
            answer = client.get(address)
            assert answer.status_code == 200, (address, answer.text[:2000])
            before = _cpu(server)
            times = [_seconds(partial(client.get, address)) for _ in range(ASKED)]
            cpu = (_cpu(server) - before) / ASKED
            with _slowest(catalog) as slow:
                client.get(address)
            plans[name] = _plan(catalog, slow)
            rows.append(
                {
                    "page": name,
                    "cpu_ms": round(1000 * cpu),
                    "wall_ms": round(1000 * statistics.median(times)),
                    "slowest_query_ms": round(1000 * slow["seconds"]),
                    "kib": round(len(answer.content) / 1024),
                }
            )
    return rows, plans


@contextmanager
def _pages(catalog: Catalog) -> Iterator[TestClient]:
    sys.path.append(str(Path(__file__).parents[1] / "plugins"))
    from gallery_web import access, stores
    from gallery_web.app import create_pages

    app = create_pages()
    yes: Callable[[], bool] = lambda: True  # noqa: E731  # who may look is Airflow's to say, and not measured
    for asked in (access.check_may_look, access.may_decide, access.may_start):
        app.dependency_overrides[asked] = yes
    outer = FastAPI()
    outer.mount("/gallery", app)
    nothing = SimpleNamespace(exists=lambda key: False)  # the bucket is another server, and not measured
    with (
        patch.object(stores, "catalog", lambda: catalog),
        patch.object(stores, "objects", lambda: nothing),
        TestClient(outer) as client,
    ):
        yield client


def _marks(client: TestClient, catalog: Catalog) -> dict[str, Any]:
    with catalog.begin() as session:
        skip = min(9600, (session.scalar(text("SELECT count(*) FROM shot")) or 0) // 2)
        shot, when = session.execute(
            text("SELECT key, updated_at FROM shot ORDER BY updated_at DESC, key DESC OFFSET :skip LIMIT 1"),
            {"skip": skip},
        ).one()
        review = session.scalar(text("SELECT max(id) FROM review"))
    return {"mark": f"{when.isoformat()}~{shot}".replace("+", "%2B"), "shot": shot, "review": review}


def _cpu(server: psutil.Process) -> float:
    """Processor seconds so far of this process and of PostgreSQL's."""
    times = [each.cpu_times() for each in (server, *server.children(recursive=True))]
    return time.process_time() + float(sum(each.user + each.system for each in times))


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


@contextmanager
def _slowest(catalog: Catalog) -> Iterator[dict[str, Any]]:
    """The query that takes longest meanwhile."""
    found: dict[str, Any] = {"seconds": 0.0}

    def before(connection: Any, *_: Any) -> None:
        connection.info["began"] = time.perf_counter()

    def after(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seconds = time.perf_counter() - connection.info["began"]
        if seconds > found["seconds"]:
            found.update(seconds=seconds, statement=statement, parameters=parameters)

    event.listen(catalog.engine, "before_cursor_execute", before)
    event.listen(catalog.engine, "after_cursor_execute", after)
    try:
        yield found
    finally:
        event.remove(catalog.engine, "before_cursor_execute", before)
        event.remove(catalog.engine, "after_cursor_execute", after)


def _plan(catalog: Catalog, query: dict[str, Any]) -> list[str]:
    with catalog.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS) {query['statement']}", query["parameters"])
        return [row[0] for row in rows]
