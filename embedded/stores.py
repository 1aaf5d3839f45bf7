"""The catalog and the bucket of a home, opened as Lookbook's own programs open them."""

from __future__ import annotations

from embedded.home import BUCKET, Home
from embedded.seaweedfs import REGION
from storage.bucket.objects import Objects
from storage.bucket.settings import ObjectSettings
from storage.catalog.catalog import Catalog


def open_catalog(home: Home) -> Catalog:
    """The catalog; its database must be up and migrated."""
    return Catalog.at(home.database_url)


def open_objects(home: Home) -> Objects:
    """The bucket; its server must be up."""
    keys = home.credentials
    return Objects(
        ObjectSettings(
            bucket=BUCKET,
            endpoint=home.s3.endpoint,
            access_key=keys.s3_access_key,
            secret_key=keys.s3_secret_key,
            region=REGION,
        )
    )
