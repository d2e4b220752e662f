"""Buckets of their own for tests, and a look at what is in them, by botocore: not through the code under test."""

from __future__ import annotations

import secrets
from functools import cache
from typing import Any

from botocore.config import Config
from botocore.session import Session

from servers.process import S3Server

__all__ = ["create_bucket", "s3_client", "unfinished_uploads"]


@cache
def _session() -> Session:
    """One for all, for it reads megabytes of service descriptions."""
    return Session()


def s3_client(server: S3Server) -> Any:
    """A blocking client; the caller closes it."""
    return _session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=Config(
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
            # moto gives a checksum of the whole that only one of the two kinds of checksums matches.
            response_checksum_validation="when_required",
        ),
    )


def create_bucket(server: S3Server) -> str:
    """Create an empty bucket and return its name."""
    name = f"test-{secrets.token_hex(8)}"
    client = s3_client(server)
    try:
        client.create_bucket(Bucket=name)
    finally:
        client.close()
    return name


def unfinished_uploads(server: S3Server, bucket: str) -> list[tuple[str, str]]:
    """Key and id of the multipart uploads that are neither completed nor aborted."""
    client = s3_client(server)
    try:
        found = client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())
        return [(upload["Key"], upload["UploadId"]) for upload in found]
    finally:
        client.close()
