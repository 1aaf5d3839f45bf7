"""The gallery's pages on a real catalog and bucket, with Airflow's own users and tokens."""

from __future__ import annotations

import io
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from storage.bucket.objects import Objects
from storage.bucket.settings import ObjectSettings
from storage.catalog.catalog import Catalog
from tests.conftest import S3Bucket

PLUGINS = Path(__file__).parents[2] / "plugins"

# Airflow reads its configuration when it is first imported, and would otherwise write into the user's home.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="lookbook-airflow-")
os.environ["AIRFLOW__API_AUTH__JWT_SECRET"] = secrets.token_hex(64)
os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{os.environ['AIRFLOW_HOME']}/airflow.db"
sys.path.append(str(PLUGINS))


@pytest.fixture
def objects(s3: S3Bucket) -> Objects:
    return Objects(ObjectSettings(s3.bucket, s3.endpoint, s3.access_key, s3.secret_key, s3.region))


@pytest.fixture(scope="session")
def airflow_users() -> None:
    """The one table of Airflow's that its check of tokens reads."""
    from airflow import settings
    from airflow.models.revoked_token import RevokedToken

    RevokedToken.metadata.create_all(settings.engine, [RevokedToken.__table__])


@pytest.fixture
def pages(
    catalog: Catalog, objects: Objects, airflow_users: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """The pages as an administrator sees them, mounted as Airflow mounts them."""
    from fastapi import FastAPI
    from gallery_web import images, stores
    from gallery_web.app import create_pages

    monkeypatch.setattr(stores, "catalog", lambda: catalog)
    monkeypatch.setattr(stores, "objects", lambda: objects)
    images._preview.cache_clear()
    outer = FastAPI()
    outer.mount("/gallery", create_pages())
    with TestClient(outer, headers=as_role("ADMIN"), follow_redirects=False) as client:
        yield client


def as_role(role: str | None) -> dict[str, str]:
    """Headers of a user with this role; ``None``: of nobody."""
    from airflow.api_fastapi.app import create_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    if role is None:
        return {"Authorization": ""}
    user = SimpleAuthManagerUser(username=f"the-{role.lower()}", role=role)
    return {"Authorization": f"Bearer {create_auth_manager().generate_jwt(user)}"}


def png(colour: tuple[int, int, int] = (200, 30, 40), size: tuple[int, int] = (64, 48)) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, "PNG")
    return data.getvalue()
