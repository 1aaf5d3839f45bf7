"""The connection to an S3-compatible server: a client per process, and attempts until a deadline."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from storage.bucket.errors import (
    TRANSIENT,
    ObjectDamaged,
    ObjectRefused,
    ObjectStoreUnreachable,
    code_of,
    remedy_for,
)
from storage.bucket.settings import ObjectSettings

T = TypeVar("T")
MAX_CONNECTIONS = 20


class Connection:
    """Runs work with a boto3 client that is made when first needed, and made again after a fork."""

    def __init__(self, settings: ObjectSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._client: Any = None
        self._pid = 0

    def client(self) -> Any:
        """This process's client; threads may share it."""
        with self._lock:
            if self._client is None or self._pid != os.getpid():
                self._client, self._pid = _connect(self._settings), os.getpid()
            return self._client

    def attempt(self, work: Callable[[Any], T], doing: str) -> T:
        """Run ``work(client)``, again while errors may pass: boto3's own retries give up within seconds, too soon
        for a server that is being restarted.

        Raises:
            ClientError: the server's answer is an error that will not pass; the caller knows what it means.
            ObjectStoreUnreachable: no usable answer until the deadline.
            ObjectDamaged: what was read does not match the checksum that came with it.
            ObjectRefused: the settings do not let a request be made at all.
        """
        retrying = Retrying(
            retry=retry_if_exception(_is_transient),
            stop=stop_after_delay(self._settings.deadline),
            wait=wait_random_exponential(multiplier=0.2, max=5),
            reraise=True,
        )
        where = self._settings.where
        try:
            return retrying(work, self.client())
        except FlexibleChecksumError as error:
            raise ObjectDamaged(f"{doing}: {where} sent bytes that do not match their checksum ({error})") from error
        except (BotoCoreError, ClientError) as error:
            if _is_transient(error):
                raise ObjectStoreUnreachable(
                    f"{doing}: {where} gave no usable answer for {self._settings.deadline:g} s ({error}); "
                    f"{remedy_for(error)}"
                ) from error
            if isinstance(error, ClientError):
                raise
            raise ObjectRefused(f"{doing}: no request to {where} can be made ({error}); check the settings") from error


def _connect(settings: ObjectSettings) -> Any:
    config = Config(
        signature_version="s3v4",
        region_name=settings.region,
        s3={"addressing_style": settings.addressing},
        retries={"mode": "standard", "total_max_attempts": 4},
        max_pool_connections=MAX_CONNECTIONS,
        connect_timeout=5,
        read_timeout=60,
        tcp_keepalive=True,
        request_checksum_calculation=settings.checksum,
        response_checksum_validation=settings.checksum,
        user_agent_extra="lookbook",
    )
    return boto3.session.Session().client(
        "s3",
        endpoint_url=settings.endpoint,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        config=config,
    )


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, ClientError):
        return code_of(error) in TRANSIENT
    return isinstance(error, BotoConnectionError | HTTPClientError | IncompleteReadError | ResponseStreamingError)
