"""The two servers as the set-up starts them."""

from __future__ import annotations

import contextlib
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from embedded.ports import GRPC_OFFSET, free_port
from embedded.postgres import PostgresServer
from embedded.seaweedfs import SeaweedServer, write_security
from storage.bucket.errors import ObjectRefused
from storage.bucket.objects import Objects
from storage.bucket.settings import ObjectSettings
from tests.conftest import S3Bucket
from tests.embedded.unauthenticated import METHODS, STRANGER, let_in, listening_ports


def addresses_listened_on() -> set[str]:
    """Of all servers the tests have started."""
    parts = psutil.Process().children(recursive=True)
    sockets = [each for part in parts for each in part.net_connections("inet")]
    return {each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN}


def test_servers_listen_on_loopback_only(postgres_server: PostgresServer, s3_server: SeaweedServer) -> None:
    assert postgres_server.answers()
    assert s3_server.answers()
    assert addresses_listened_on() == {"127.0.0.1"}


def test_postgres_refuses_a_wrong_password(postgres_server: PostgresServer) -> None:
    url = postgres_server.url("postgres", password="guess").replace("+psycopg", "")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)


def test_create_database_twice_sets_the_owners_new_password(postgres_server: PostgresServer) -> None:
    for password in ("first", "second"):
        postgres_server.create_database("owned", owner="somebody", password=password)
    with psycopg.connect(postgres_server.url("owned", "somebody", "second").replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("somebody",)
    postgres_server.drop_database("owned")


def test_s3_refuses_strangers_and_wrong_secrets(s3: S3Bucket) -> None:
    assert httpx.get(f"{s3.endpoint}/{s3.bucket}?list-type=2", trust_env=False).status_code == 403
    wrong = Objects(ObjectSettings(s3.bucket, s3.endpoint, s3.access_key, "guess"))
    with pytest.raises(ObjectRefused, match="SignatureDoesNotMatch"):
        list(wrong.list_keys(""))


def test_no_port_lets_a_stranger_in(s3_server: SeaweedServer, s3: S3Bucket, objects: Objects) -> None:
    """SeaweedFS's filer, master and volume server let anybody in by default, web pages included.

    What the S3 port still answers is that it runs, without a word more: a load balancer asks for it.
    """
    objects.put("secret.txt", b"secret", "text/plain")
    file_id = s3_server.shell(f"fs.meta.cat /buckets/{s3.bucket}/secret.txt")
    found = re.search(r'"fileId":\s*"([^"]+)"', file_id)
    assert found, file_id
    paths = [
        f"/{found[1]}",
        "/dir/assign",
        "/dir/lookup?volumeId=1",
        f"/col/delete?collection={s3.bucket}",
        "/submit",
        f"/buckets/{s3.bucket}/secret.txt",
        f"/buckets/{s3.bucket}/intruder.txt",
        f"/{s3.bucket}/secret.txt",
        f"/{s3.bucket}/intruder.txt",
        f"/{s3.bucket}/?list-type=2",
        *("/", "/ui/index.html", "/status", "/healthz", "/cluster/status", "/dir/status", "/stats/counter", "/metrics"),
        *("/stats/memory", "/stats/disk", "/vol/status", "/debug/pprof/", "/favicon.ico"),
    ]
    ports = listening_ports(each for each in psutil.Process().children() if "mini" in each.cmdline())
    assert {s3_server.s3, s3_server.master, s3_server.volume, s3_server.filer} < ports
    opened = {port: answered for port in ports if (answered := let_in(port, paths))}
    assert opened == {s3_server.s3: ["GET /status", "GET /healthz"]}
    for path in ("/status", "/healthz"):
        assert httpx.get(f"{s3_server.endpoint}{path}", trust_env=False).content == b""
    assert objects.get("secret.txt") == b"secret"
    assert list(objects.list_keys("")) == ["secret.txt"]


def test_no_page_of_another_site_may_read_an_answer(s3_server: SeaweedServer, s3: S3Bucket, objects: Objects) -> None:
    """Where SeaweedFS 4.48 has no bucket to ask it names every origin, whatever is set: at ``/``, ``/status`` and
    ``/healthz``, and in its 405 to a method that it does not know. Those answers hold a refusal or nothing."""
    objects.put("secret.txt", b"secret", "text/plain")
    ask = {**STRANGER, "Access-Control-Request-Method": "PUT"}
    ports = listening_ports(each for each in psutil.Process().children() if "mini" in each.cmdline())
    allowed = set()
    for port in ports:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20, headers=ask) as client:
            for method in ("OPTIONS", *METHODS):
                for path in (f"/{s3.bucket}/secret.txt", f"/{s3.bucket}/?list-type=2", f"/{s3.bucket}", "/dir/status"):
                    with contextlib.suppress(httpx.TransportError):
                        answer = client.request(method, path)
                        if answer.status_code != 405 and "access-control-allow-origin" in answer.headers:
                            allowed.add(f"{port} {method} {path}")
    assert allowed == set()


def test_a_server_of_the_first_versions_is_closed_too(tmp_path: Path) -> None:
    settings = tmp_path / "security.toml"
    settings.write_text("[grpc]\nca = 'old'\n")
    write_security(tmp_path)
    written = tomllib.loads(settings.read_text())
    assert {"master", "volume", "filer", "admin", "client"} == set(written["https"])
    write_security(tmp_path)
    assert tomllib.loads(settings.read_text()) == written


def test_fsync_can_be_asked_for_twice(s3_server: SeaweedServer, s3: S3Bucket) -> None:
    for _ in range(2):
        s3_server.sync_writes(s3.bucket)


def test_sockets_of_a_running_server_are_left_alone(s3_server: SeaweedServer) -> None:
    """Another set-up that stops may name the same ports."""
    socket = Path(f"/tmp/seaweedfs-volume-grpc-{s3_server.volume + GRPC_OFFSET}.sock")  # noqa: S108
    assert socket.exists()
    s3_server.remove_sockets()
    assert socket.exists()
    stale = Path(f"/tmp/seaweedfs-volume-grpc-{free_port(41_000) + GRPC_OFFSET}.sock")  # noqa: S108
    stale.touch()
    free = int(stale.stem.rpartition("-")[2]) - GRPC_OFFSET
    replace(s3_server, s3=free, master=free, volume=free, filer=free, admin=free).remove_sockets()
    assert not stale.exists()
