"""The generation service: a studio behind HTTP, and the one door between generation and storage.

Run it under any ASGI server, one process per GPU: ``uvicorn --factory generation.service:create_app``.
"""

from generation.service.app import create_app

__all__ = ["create_app"]
