"""Stands between S3 clients and their server, and does to requests what networks and servers do on bad days."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SLOW_SECONDS = 2.0
_ERRORS = {"500": (500, "InternalError"), "503": (503, "SlowDown")}
KINDS = ("500", "503", "slow", "half", "reset", "flip", "lost-answer")
"""Answers of 500 and 503 without asking the server; a pause; half a body; a reset before the server was asked; one
byte changed on the way up or down; a reset after the server did it."""


class S3Proxy(ThreadingHTTPServer):
    """Passes requests on; ``faults`` gives each kind its share of them (0 to 1, together at most 1)."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, upstream: int, seed: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.upstream = upstream
        self.faults: Mapping[str, float] = {}
        self.done: Counter[str] = Counter()
        self._random = random.Random(seed)  # noqa: S311  # chooses faults, keeps no secret
        self._lock = threading.Lock()

    def choose(self) -> str | None:
        """The fault of the next request, if any."""
        with self._lock:
            drawn = self._random.random()
            for kind, share in self.faults.items():
                if drawn < share:
                    self.done[kind] += 1
                    return kind
                drawn -= share
            return None

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what kill rounds are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: S3Proxy

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.choose()
        if fault in _ERRORS:
            self._refuse(*_ERRORS[fault])
            return
        if fault == "reset":
            self._reset()
            return
        if fault == "slow":
            time.sleep(SLOW_SECONDS)
        if fault == "flip" and body:
            body = _flipped(body)
        try:
            status, headers, content = self._ask(body)
        except (OSError, HTTPException):
            self._reset()
            return
        if fault == "lost-answer":
            self._reset()
            return
        self._answer(status, headers, content, fault)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _pass_on  # noqa: N815

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        server = HTTPConnection("127.0.0.1", self.server.upstream, timeout=60)
        try:
            server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in {"connection", "expect"}:
                    server.putheader(name, value)
            server.endheaders(body or None)
            answer = server.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            server.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, fault: str | None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"transfer-encoding", "content-length", "connection"}:
                self.send_header(name, value)
        said = {name.lower(): value for name, value in headers}
        length = said.get("content-length", "0") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        if fault == "flip" and content and self.command == "GET":
            content = _flipped(content)
        if fault == "half" and len(content) > 1:
            self.wfile.write(content[: len(content) // 2])
            self._reset()
            return
        self.wfile.write(content)

    def _refuse(self, status: int, code: str) -> None:
        content = f"<Error><Code>{code}</Code><Message>as asked for</Message></Error>".encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a round's faults are counted in ``done``."""


def _flipped(data: bytes) -> bytes:
    place = len(data) // 2
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@contextmanager
def s3_proxy(port: int, upstream: int, seed: int) -> Iterator[S3Proxy]:
    """A proxy on loopback ``port`` before the server on port ``upstream``."""
    proxy = S3Proxy(port, upstream, seed)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
