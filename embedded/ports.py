"""Ports on loopback: stable ones where they are free, others where they are taken."""

from __future__ import annotations

import socket
from collections.abc import Collection

from brief.errors import EmbeddedError

GRPC_OFFSET = 10_000
"""SeaweedFS listens on port + 10000 as well."""


def free_port(preferred: int, taken: Collection[int] = (), *, with_twin: bool = False) -> int:
    """``preferred``, or the next port above it that nobody listens on and that is not in ``taken``.

    ``with_twin`` asks the same of the port :data:`GRPC_OFFSET` above it.

    Raises:
        EmbeddedError: a thousand ports in a row are taken.
    """
    for port in range(preferred, preferred + 1000):
        needed = (port, port + GRPC_OFFSET) if with_twin else (port,)
        if all(each not in taken and is_free(each) for each in needed):
            return port
    raise EmbeddedError(f"no free port on 127.0.0.1 from {preferred} to {preferred + 999}")


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` of loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a closed one blocks nobody
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
