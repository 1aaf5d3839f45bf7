"""How to reach the bucket: from given values or from the environment."""

from __future__ import annotations

from dataclasses import dataclass, field

from brief.errors import SettingsError
from brief.settings import Settings

ADDRESSING = ("path", "virtual", "auto")
CHECKSUMS = ("when_supported", "when_required")


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
        deadline: seconds after which a server that does not answer counts as unreachable; covers a restart.
        origin: what says all this, for messages: the variables or an Airflow connection.
    """

    bucket: str
    endpoint: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    region: str = "us-east-1"
    addressing: str = "path"
    checksum: str = "when_supported"
    deadline: float = 60.0
    origin: str = "the settings"

    def __post_init__(self) -> None:
        if not self.bucket:
            raise SettingsError(f"{self.origin}: no bucket is named; name the bucket that holds the pictures")
        for name, value, allowed in (
            ("addressing", self.addressing, ADDRESSING),
            ("checksum", self.checksum, CHECKSUMS),
        ):
            if value not in allowed:
                raise SettingsError(f"{self.origin}: {name} is {value!r}, it must be one of {', '.join(allowed)}")
        if self.endpoint and not self.endpoint.startswith(("http://", "https://")):
            raise SettingsError(f"{self.origin}: endpoint {self.endpoint!r} must begin with http:// or https://")

    @property
    def where(self) -> str:
        """Bucket and server, for messages."""
        return f"bucket {self.bucket!r} at {self.endpoint or 'AWS'}"

    @classmethod
    def from_env(cls) -> ObjectSettings:
        """From the variables ``LOOKBOOK_S3_*``.

        Raises:
            SettingsError: no bucket is named, or a value is not allowed.
        """
        known = Settings.read()
        return cls(
            bucket=known.needed("s3_bucket"),
            endpoint=known.s3_endpoint,
            access_key=known.s3_access_key,
            secret_key=known.s3_secret_key,
            region=known.s3_region,
            addressing=known.s3_addressing,
            checksum=known.s3_checksum,
            origin="the variables LOOKBOOK_S3_*",
        )
