"""What can go wrong with the bucket, said so that the person who must act knows what to do.

::

    ObjectError
    ├── ObjectMissing           there is no such object
    ├── ObjectDamaged           its bytes are not the expected ones
    ├── ObjectRefused           the server refuses
    └── ObjectStoreUnreachable  the server does not answer, or only with transient errors
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from brief.errors import StorageError
from storage.bucket.settings import ObjectSettings

MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
EXISTS = frozenset({"PreconditionFailed", "412"})
DAMAGED = frozenset({"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch"})
TRANSIENT = frozenset(
    {
        "ConditionalRequestConflict",
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "500",
        "502",
        "503",
        "504",
    }
)
"""Error codes that another attempt may cure."""

_REMEDIES = {
    "NoSuchBucket": "create the bucket, or correct its name in {origin}",
    "InvalidAccessKeyId": "check the access key in {origin}",
    "SignatureDoesNotMatch": "check the secret key in {origin} (and the clock of this machine)",
    "AccessDenied": "check the secret key, and that its owner may read, write and list in this bucket",
    "RequestTimeTooSkewed": "set the clock of this machine",
    "EntityTooLarge": "the server takes only smaller objects; raise its limit",
    "QuotaExceeded": "make room in the bucket, or raise its quota",
    "InsufficientStorage": "the server's disk is full: make room on it",
    "XMinioStorageFull": "the server's disk is full: make room on it",
    "507": "the server's disk is full: make room on it",
}


class ObjectError(StorageError):
    """Something about the bucket; the message says which object, which bucket and what to do."""


class ObjectMissing(ObjectError):
    """There is no such object."""


class ObjectRefused(ObjectError):
    """The server answered and said no; retrying is of no use until somebody changes something."""


class ObjectDamaged(ObjectError):
    """The object's bytes are not the expected ones."""


class ObjectStoreUnreachable(ObjectError):
    """The server did not answer, or only with transient errors, until the deadline."""


def code_of(error: ClientError) -> str:
    """The server's error code ("AccessDenied"), or the HTTP status as text where there is no body (HEAD)."""
    details = error.response.get("Error", {})
    return str(details.get("Code") or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", "?"))


def remedy_for(error: Exception) -> str:
    """What to do about errors that did not pass: a server that answers runs, and mostly lacks room."""
    if isinstance(error, ClientError):
        return (
            "the server runs but cannot do it: its disk may be full (make room, and writing goes on by itself), or see "
            "its own log"
        )
    return "check that the server runs and that this machine reaches it"


def refusal(error: ClientError, doing: str, settings: ObjectSettings) -> ObjectRefused:
    """The error for a server that says no. ``doing`` is what was tried."""
    code = code_of(error)
    detail = str(error.response.get("Error", {}).get("Message") or code)
    remedy = _REMEDIES.get(code) or _REMEDIES["AccessDenied" if code == "403" else "NoSuchBucket"]
    if code not in _REMEDIES and code not in {"403", "404"}:
        remedy = "see the server's own log"
    remedy = remedy.format(origin=settings.origin)
    return ObjectRefused(f"{doing}: {settings.where} refuses it ({code}: {detail}); {remedy}")
