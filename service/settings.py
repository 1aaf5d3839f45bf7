"""What the service must be told before it starts, from its environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from brief.errors import SettingsError
from brief.settings import Settings
from storage.bucket.settings import ObjectSettings

SHORTEST_TOKEN = 16
"""Characters; anything shorter can be guessed."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """How one service runs.

    Attributes:
        bundle: folder of the models.
        token: what callers must present.
        objects: the bucket that inputs come from and results go to.
        batch: items that go through the models together.
        queue: jobs that may wait; more are answered with 429.
        compile_blocks: see :func:`generation.bundle.load.compiled`.
    """

    bundle: Path
    token: str = field(repr=False)
    objects: ObjectSettings
    batch: int = 4
    queue: int = 64
    compile_blocks: bool = False

    @classmethod
    def from_env(cls) -> ServiceSettings:
        """From ``LOOKBOOK_BUNDLE``, ``LOOKBOOK_SERVICE_TOKEN``, ``LOOKBOOK_S3_*``, and where wanted
        ``LOOKBOOK_SERVICE_BATCH``, ``LOOKBOOK_SERVICE_QUEUE`` and ``LOOKBOOK_COMPILE``.

        Raises:
            SettingsError: something is missing or cannot be right; names the variable and what it must hold.
        """
        known = Settings.read()
        bundle, token = known.needed("bundle"), known.needed("service_token")
        if not (bundle / "bundle.toml").is_file():
            raise SettingsError(f"LOOKBOOK_BUNDLE is {str(bundle)!r}: it must be a folder with a bundle.toml")
        if len(token) < SHORTEST_TOKEN:
            raise SettingsError(
                f"LOOKBOOK_SERVICE_TOKEN must hold a secret of {SHORTEST_TOKEN} characters or more; without it "
                "anybody who reaches the port could use the service"
            )
        objects = ObjectSettings.from_env()
        if objects.endpoint and not (objects.access_key and objects.secret_key):
            raise SettingsError(f"LOOKBOOK_S3_ACCESS_KEY and LOOKBOOK_S3_SECRET_KEY must be set for {objects.where}")
        return cls(bundle, token, objects, known.service_batch, known.service_queue, known.compile)
