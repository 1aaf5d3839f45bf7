"""What the service must be told before it starts, from its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from storage.bucket.settings import ObjectSettings

SHORTEST_TOKEN = 16
"""Characters; anything shorter can be guessed."""


class ServiceSettingsError(ValueError):
    """The service cannot start like this; the message names the variable and what it must hold."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """How one service runs.

    Attributes:
        bundle: folder of the models.
        token: what callers must present.
        objects: the bucket that inputs come from and results go to.
        batch: items that go through the models together.
        queue: jobs that may wait; more are answered with 429.
    """

    bundle: Path
    token: str = field(repr=False)
    objects: ObjectSettings
    batch: int = 4
    queue: int = 64

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> ServiceSettings:
        """From ``LOOKBOOK_BUNDLE``, ``LOOKBOOK_SERVICE_TOKEN``, ``LOOKBOOK_S3_*``, and where wanted
        ``LOOKBOOK_SERVICE_BATCH`` and ``LOOKBOOK_SERVICE_QUEUE``.

        Raises:
            ServiceSettingsError: something is missing or cannot be right.
            storage.bucket.settings.ObjectSettingsError: the same of the bucket.
        """
        env = os.environ if env is None else env
        bundle = Path(env.get("LOOKBOOK_BUNDLE") or "")
        if not env.get("LOOKBOOK_BUNDLE") or not (bundle / "bundle.toml").is_file():
            said = f"is {str(bundle)!r}" if env.get("LOOKBOOK_BUNDLE") else "is not set"
            raise ServiceSettingsError(f"LOOKBOOK_BUNDLE {said}: it must be the folder of a bundle (with bundle.toml)")
        token = env.get("LOOKBOOK_SERVICE_TOKEN") or ""
        if len(token) < SHORTEST_TOKEN:
            raise ServiceSettingsError(
                f"LOOKBOOK_SERVICE_TOKEN must hold a secret of {SHORTEST_TOKEN} characters or more; without it "
                "anybody who reaches the port could use the service"
            )
        objects = ObjectSettings.from_env(env)
        if objects.endpoint and not (objects.access_key and objects.secret_key):
            raise ServiceSettingsError(
                f"LOOKBOOK_S3_ACCESS_KEY and LOOKBOOK_S3_SECRET_KEY must be set for {objects.where}"
            )
        batch, queue = (_count(env, f"LOOKBOOK_SERVICE_{name}", usual) for name, usual in (("BATCH", 4), ("QUEUE", 64)))
        return cls(bundle, token, objects, batch, queue)


def _count(env: Mapping[str, str], name: str, usual: int) -> int:
    text = env.get(name) or str(usual)
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ServiceSettingsError(f"{name} is {text!r}, it must be a whole number of 1 or more")
    return int(text)
