"""Making a bucket; apart from the server, so that starting the server does not load boto3."""

from __future__ import annotations

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from embedded.seaweedfs import REGION, SeaweedServer


def create_bucket(server: SeaweedServer, bucket: str) -> None:
    """Make ``bucket`` unless it exists."""
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name=REGION,
        config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard", "total_max_attempts": 8}),
    )
    try:
        client.create_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"BucketAlreadyExists", "BucketAlreadyOwnedByYou"}:
            raise
