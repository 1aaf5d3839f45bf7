"""Who may talk to the service, and how much: checked before a byte of a body is read."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN_PATHS = frozenset({"/health"})
"""Paths that need no token, since they tell no secrets."""
MAX_BODY = 16 * 1024 * 1024
"""Bytes of a request's body: a thousand items of some kilobytes each."""
BODY_SECONDS = 30.0
"""How long a caller may take between two parts of a body."""


class _Refused(Exception):
    """A body that is not read to its end; the status and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class AccessCheck:
    """ASGI middleware: bearer token first, then the body's size and pace, then the application.

    Args:
        token: what ``Authorization: Bearer`` must hold.
        max_body, body_seconds: see :data:`MAX_BODY` and :data:`BODY_SECONDS`.
    """

    def __init__(self, app: ASGIApp, token: str, max_body: int = MAX_BODY, body_seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()
        self._max_body = max_body
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("authorization", "").encode()
        if scope["path"] not in OPEN_PATHS and not secrets.compare_digest(given, self._expected):
            refusal = _answer(401, "the bearer token is missing or wrong", {"WWW-Authenticate": "Bearer"})
            await refusal(scope, receive, send)
            return
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > self._max_body:
            await _answer(413, self._too_large())(scope, receive, send)
            return
        await self._with_bounded_body(scope, receive, send)

    async def _with_bounded_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        read, refused, answered = 0, None, False

        async def bounded() -> Message:
            nonlocal read, refused
            try:
                message = await asyncio.wait_for(receive(), self._body_seconds) if not answered else await receive()
            except TimeoutError:
                refused = _Refused(408, f"no part of the body came for {self._body_seconds:.0f} s; send it again")
                raise refused from None
            read += len(message.get("body", b""))
            if read > self._max_body:
                refused = _Refused(413, self._too_large())
                raise refused
            return message

        async def noting(message: Message) -> None:
            nonlocal answered
            answered = True
            if refused is None:
                await send(message)

        with suppress(_Refused):
            await self._app(scope, bounded, noting)
        if refused is not None:
            await _answer(refused.status, str(refused))(scope, receive, send)

    def _too_large(self) -> str:
        return f"a body may have {self._max_body:,} bytes; submit fewer items at a time"


def _answer(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, {"Connection": "close", **(headers or {})})
