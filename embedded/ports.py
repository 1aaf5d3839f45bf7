"""Ports on loopback: stable ones where they are free, others where they are taken."""

from __future__ import annotations

import socket
from collections.abc import Collection

GRPC_OFFSET = 10_000
"""SeaweedFS listens on port + 10000 as well, so a port is free here only if that one is too."""


def is_free(port: int) -> bool:
    """Whether nobody listens on ``port`` of loopback, nor on its gRPC twin where there can be one."""
    return all(_can_bind(each) for each in (port, port + GRPC_OFFSET) if each < 65_536)


def free_port(preferred: int, taken: Collection[int] = ()) -> int:
    """``preferred``, or the next port above it that is free and whose twins do not meet those of ``taken``.

    Raises:
        RuntimeError: a thousand ports in a row are taken.
    """
    used = {each for port in taken for each in (port, port + GRPC_OFFSET)}
    for port in range(preferred, preferred + 1000):
        if not {port, port + GRPC_OFFSET} & used and is_free(port):
            return port
    raise RuntimeError(f"no free port on 127.0.0.1 from {preferred} to {preferred + 999}")


def _can_bind(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
