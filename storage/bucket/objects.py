"""The bucket: bytes in and out of any S3-compatible server, each checked by its SHA-256.

Objects are written once. A put asks for ``If-None-Match: *``; that an object is there already is success if it holds
the same bytes, so every write can be repeated after any crash. The server verifies ``ChecksumSHA256`` on write, and
the bytes are verified again on read.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from brief.types import ImageRef
from storage.bucket.connection import Connection
from storage.bucket.errors import (
    DAMAGED,
    EXISTS,
    MISSING,
    ObjectDamaged,
    ObjectMissing,
    ObjectRefused,
    code_of,
    refusal,
)
from storage.bucket.settings import ObjectSettings

T = TypeVar("T")
KEYS_PER_PAGE = 1000
WHOLE_ATTEMPTS = 4
"""With every tenth transfer damaged, one in ten thousand is given up."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object after a put; ``kept`` tells that one was there before, whose SHA-256 this is."""

    key: str
    sha256: str
    kept: bool

    @property
    def ref(self) -> ImageRef:
        return ImageRef(self.key, self.sha256)


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What the server says of an object; ``size`` in bytes, ``sha256`` in hex (``None``: written by others),
    ``notes`` what :meth:`Objects.put` was given to note."""

    key: str
    sha256: str | None
    size: int
    content_type: str
    modified: datetime
    notes: Mapping[str, str] = field(default_factory=dict)


class Objects:
    """The objects of one bucket. Threads may share one; after a fork each process makes its own connection.

    Every method raises ``ObjectRefused`` when the server says no and ``ObjectStoreUnreachable`` when it does not answer
    within ``settings.deadline`` seconds.
    """

    def __init__(self, settings: ObjectSettings) -> None:
        self.settings = settings
        self._connection = Connection(settings)

    @classmethod
    def from_env(cls) -> Objects:
        """With :meth:`ObjectSettings.from_env`."""
        return cls(ObjectSettings.from_env())

    def put(
        self,
        key: str,
        data: bytes,
        content_type: str,
        *,
        keep_first: bool = False,
        notes: Mapping[str, str] | None = None,
    ) -> Stored:
        """Write an object, once.

        Args:
            keep_first: an object that is there with other bytes stays and is returned, instead of an error. For
                outputs whose key says all that matters, such as a take that two runs made at the same time.
            notes: kept beside the object as its metadata; ASCII, 2 KB in all.

        Raises:
            ObjectDamaged: the key holds other bytes (never with ``keep_first``), or the server received others.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        request = {
            "Key": key,
            "Body": data,
            "ContentType": content_type,
            "ChecksumSHA256": base64.b64encode(bytes.fromhex(sha256)).decode(),
            "IfNoneMatch": "*",
            "Metadata": {**(notes or {}), "sha256": sha256},
            "CacheControl": "public, max-age=31536000, immutable",
        }
        if _until_whole(lambda: self._write_first(request)):
            return Stored(key, sha256, kept=False)
        return self._there_already(key, sha256, keep_first=keep_first)

    def _write_first(self, request: Mapping[str, Any]) -> bool:
        """Whether the object was written; false where there was one."""
        what = f"writing {request['Key']!r}"
        try:
            self._call("put_object", what, **request)
        except ClientError as error:
            if code_of(error) in DAMAGED:
                raise ObjectDamaged(f"{what}: the bytes were damaged on their way; try again") from error
            if code_of(error) not in EXISTS:
                raise refusal(error, what, self.settings) from error
            return False
        return True

    def replace(self, key: str, data: bytes, content_type: str) -> ImageRef:
        """Write an object whether or not there is one, for what tells the present state; no cache may keep it."""
        sha256 = hashlib.sha256(data).hexdigest()
        request = {"Key": key, "Body": data, "ContentType": content_type, "CacheControl": "no-cache"}
        try:
            self._call("put_object", f"writing {key!r}", **request, Metadata={"sha256": sha256})
        except ClientError as error:
            raise refusal(error, f"writing {key!r}", self.settings) from error
        return ImageRef(key, sha256)

    def _there_already(self, key: str, sha256: str, *, keep_first: bool) -> Stored:
        """What :meth:`put` answers when the key is taken."""
        there = self.sha256(key)
        if there != sha256 and not keep_first:
            raise ObjectDamaged(
                f"{key!r} in {self.settings.where} holds other bytes (SHA-256 {there[:12]}, not {sha256[:12]}) and is "
                "never overwritten; find out who wrote it, and delete it if it is wrong"
            )
        return Stored(key, there, kept=True)

    def get(self, key: str, sha256: str | None = None) -> bytes:
        """An object's bytes, verified against ``sha256`` (hex), or else against what the server holds of it.

        Raises:
            ObjectMissing: there is no such object.
            ObjectDamaged: the bytes are not the expected ones.
        """
        doing = f"reading {key!r}"

        def answer(client: Any) -> tuple[bytes, str | None]:
            response = client.get_object(Bucket=self.settings.bucket, Key=key, ChecksumMode="ENABLED")
            return response["Body"].read(), _sha256_of(response)

        def read() -> bytes:
            data, stored = self._connection.attempt(answer, doing)
            expected, found = sha256 or stored, hashlib.sha256(data).hexdigest()
            if expected and found != expected:
                raise ObjectDamaged(
                    f"{key!r} is damaged (SHA-256 {found[:12]} instead of {expected[:12]}, in {self.settings.where}); "
                    f"restore it, or delete it and {_how_again(key)}"
                )
            return data

        try:
            return _until_whole(read)
        except ClientError as error:
            raise self._missing_or_refused(error, key, doing) from error

    def head(self, key: str) -> ObjectFacts | None:
        """What the server knows of an object, or ``None`` where there is none."""
        try:
            answer = self._call("head_object", f"looking for {key!r}", Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            if code_of(error) in MISSING:
                return None
            raise refusal(error, f"looking for {key!r}", self.settings) from error
        return ObjectFacts(
            key,
            _sha256_of(answer),
            answer["ContentLength"],
            answer.get("ContentType", ""),
            answer["LastModified"],
            answer.get("Metadata", {}),
        )

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        return self.head(key) is not None

    def sha256(self, key: str) -> str:
        """SHA-256 (hex) of an object, read and computed where the server does not know it.

        Raises:
            ObjectMissing: there is no such object.
        """
        facts = self.head(key)
        return facts.sha256 if facts and facts.sha256 else hashlib.sha256(self.get(key)).hexdigest()

    def url(self, key: str, seconds: int = 3600) -> str:
        """A presigned URL by which anybody may read the object for so many seconds."""
        request = {"Bucket": self.settings.bucket, "Key": key}
        return str(self._connection.client().generate_presigned_url("get_object", Params=request, ExpiresIn=seconds))

    def list_keys(self, prefix: str) -> Iterator[str]:
        """Keys that begin with ``prefix``, in the server's order (by UTF-8 bytes)."""

        def read(client: Any) -> list[str]:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=self.settings.bucket, Prefix=prefix, PaginationConfig={"PageSize": KEYS_PER_PAGE}
            )
            return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

        try:
            return iter(self._connection.attempt(read, f"listing {prefix!r}"))
        except ClientError as error:
            raise refusal(error, f"listing {prefix!r}", self.settings) from error

    def delete_prefix(self, prefix: str) -> int:
        """Delete all objects whose key begins with ``prefix``; returns how many. For clean-up of takes.

        Raises:
            ValueError: the prefix is empty or does not end with a slash, so that no typing error empties the bucket.
        """
        if not prefix.rstrip("/") or not prefix.endswith("/"):
            raise ValueError(f"will not delete all that begins with {prefix!r}; name a folder, ending with a slash")
        keys, doing = list(self.list_keys(prefix)), f"deleting all of {prefix!r}"
        for start in range(0, len(keys), KEYS_PER_PAGE):
            batch = [{"Key": key} for key in keys[start : start + KEYS_PER_PAGE]]
            try:
                answer = self._call("delete_objects", doing, Delete={"Objects": batch, "Quiet": True})
            except ClientError as error:
                raise refusal(error, doing, self.settings) from error
            for failed in answer.get("Errors", []):
                raise ObjectRefused(
                    f"{doing}: {self.settings.where} keeps {failed.get('Key')!r} ({failed.get('Code')}: "
                    f"{failed.get('Message')}); check that the secret key's owner may delete in this bucket"
                )
        return len(keys)

    def delete(self, key: str) -> None:
        """Delete an object; one that is not there is none the less gone. For what is damaged and made again."""
        try:
            self._call("delete_object", f"deleting {key!r}", Key=key)
        except ClientError as error:
            raise refusal(error, f"deleting {key!r}", self.settings) from error

    def ensure_bucket(self) -> bool:
        """Make the bucket if it is not there; returns whether it was made."""
        doing = "making the bucket"
        try:
            self._call("create_bucket", doing)
        except ClientError as error:
            if code_of(error) in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                return False
            raise refusal(error, doing, self.settings) from error
        return True

    def _missing_or_refused(self, error: ClientError, key: str, doing: str) -> Exception:
        if code_of(error) not in MISSING:
            return refusal(error, doing, self.settings)
        return ObjectMissing(
            f"{key!r} is not in {self.settings.where}; import or make it again, or correct the row that names it"
        )

    def _call(self, operation: str, doing: str, **request: Any) -> Any:
        """One boto3 operation on the bucket; ``ClientError`` is left to the caller, who knows what it means."""
        bucket = self.settings.bucket
        return self._connection.attempt(lambda client: getattr(client, operation)(Bucket=bucket, **request), doing)


def _until_whole(work: Callable[[], T]) -> T:
    """Run ``work`` again while bytes do not match their digest: one that flipped on its way is right the next time."""
    again = Retrying(
        retry=retry_if_exception_type(ObjectDamaged),
        stop=stop_after_attempt(WHOLE_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.1, max=1),
        reraise=True,
    )
    return again(work)


def _sha256_of(answer: dict[str, Any]) -> str | None:
    """The object's SHA-256 in hex: the server's own checksum, else what the put noted in the metadata."""
    checksum = answer.get("ChecksumSHA256")
    if checksum and "-" not in checksum:
        return base64.b64decode(checksum).hex()
    noted: str | None = answer.get("Metadata", {}).get("sha256")
    return noted


def _how_again(key: str) -> str:
    """What brings an object back once it is deleted."""
    return "import its row again" if key.startswith("catalog/") else "clear the task that made it"
