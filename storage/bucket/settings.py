"""How to reach the bucket: from given values or from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

ADDRESSING = ("path", "virtual", "auto")
CHECKSUMS = ("when_supported", "when_required")


class ObjectSettingsError(ValueError):
    """The settings do not say how to reach the bucket; names the one that is missing or wrong."""


@dataclass(frozen=True, slots=True)
class ObjectSettings:
    """Where the bucket is and who asks.

    Attributes:
        endpoint: URL of the S3-compatible server; ``None`` means AWS.
        access_key, secret_key: ``None`` leaves them to boto3's own chain (profile, instance role).
        bucket: its name.
        region: part of the signature; most servers other than AWS take any.
        addressing: "path" for most servers, "auto" for AWS, "virtual" where the bucket is part of the host name.
        checksum: "when_supported", or "when_required" for servers that reject checksums of newer clients.
        deadline: seconds after which a server that does not answer counts as gone; covers a restart of the server.
    """

    bucket: str
    endpoint: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    region: str = "us-east-1"
    addressing: str = "path"
    checksum: str = "when_supported"
    deadline: float = 60.0

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("addressing", self.addressing, ADDRESSING),
            ("checksum", self.checksum, CHECKSUMS),
        ):
            if value not in allowed:
                raise ObjectSettingsError(
                    f"bucket settings: {name} is {value!r}, it must be one of {', '.join(allowed)}"
                )
        if self.endpoint and not self.endpoint.startswith(("http://", "https://")):
            raise ObjectSettingsError(
                f"bucket settings: endpoint {self.endpoint!r} must begin with http:// or https://"
            )

    @property
    def where(self) -> str:
        """Bucket and server, for messages."""
        return f"bucket {self.bucket!r} at {self.endpoint or 'AWS'}"

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> ObjectSettings:
        """From ``LOOKBOOK_S3_BUCKET``, ``_ENDPOINT``, ``_ACCESS_KEY``, ``_SECRET_KEY``, ``_REGION``,
        ``_ADDRESSING`` and ``_CHECKSUM``.

        Raises:
            ObjectSettingsError: no bucket is named, or a value is not allowed.
        """
        env = os.environ if env is None else env
        if not env.get("LOOKBOOK_S3_BUCKET"):
            raise ObjectSettingsError("LOOKBOOK_S3_BUCKET is not set; name the bucket that holds the pictures")
        return cls(
            bucket=env["LOOKBOOK_S3_BUCKET"],
            endpoint=env.get("LOOKBOOK_S3_ENDPOINT") or None,
            access_key=env.get("LOOKBOOK_S3_ACCESS_KEY") or None,
            secret_key=env.get("LOOKBOOK_S3_SECRET_KEY") or None,
            region=env.get("LOOKBOOK_S3_REGION") or "us-east-1",
            addressing=env.get("LOOKBOOK_S3_ADDRESSING") or "path",
            checksum=env.get("LOOKBOOK_S3_CHECKSUM") or "when_supported",
        )
