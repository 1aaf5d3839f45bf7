"""A stranger at the door: what a web page, or another user of the machine, gets from a port without credentials."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterable
from typing import Any

import httpx
import psutil

from embedded.ports import is_free

STRANGER = {"Origin": "https://stranger.example", "Sec-Fetch-Site": "cross-site"}
H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
METHODS = ("GET", "PUT", "POST", "DELETE")


def listening_sockets(processes: Iterable[psutil.Process]) -> list[Any]:
    """TCP sockets that these processes and their children listen on, as the kernel knows them."""
    pids = {each.pid for root in processes for each in (root, *root.children(recursive=True))}
    sockets = psutil.net_connections("inet")
    return [each for each in sockets if each.pid in pids and each.status == psutil.CONN_LISTEN]


def listening_ports(processes: Iterable[psutil.Process]) -> set[int]:
    """Their ports."""
    return {each.laddr.port for each in listening_sockets(processes)}


def let_in(port: int, paths: Iterable[str], page: bytes | None = None) -> list[str]:
    """Requests that this port answered with success, as ``METHOD path``; gRPC counts as one, and an answer that is
    ``page`` as none: the page for logging in, which Airflow sends for every path that it does not know."""
    assert not is_free(port)
    opened = [f"gRPC {kind}" for kind in ("plain", "TLS") if _speaks_grpc(port, tls=kind == "TLS")]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20, headers=STRANGER) as client:
        for method in METHODS:
            for path in paths:
                content = b"intruder" if method in {"PUT", "POST"} else None
                with contextlib.suppress(httpx.TransportError):
                    answer = client.request(method, path, content=content)
                    if answer.is_success and answer.content != page:
                        opened.append(f"{method} {path}")
    return opened


def _speaks_grpc(port: int, *, tls: bool) -> bool:
    """Whether an HTTP/2 settings frame comes back to somebody without a certificate."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
            _wrapped(plain) if tls else plain as connection,
        ):
            connection.sendall(H2_PREFACE)
            answer = connection.recv(9)
            return len(answer) == 9 and answer[3] == 4
    except OSError:
        return False


def _wrapped(plain: socket.socket) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context.wrap_socket(plain)
