"""The studio over HTTP, both ends: server (torch), client and protocol (no torch).

Run it under any ASGI server, one process per GPU: ``uvicorn --factory service.app:create_app``.
"""
