"""From URLs to stores."""

from __future__ import annotations

import subprocess
import sys

import pytest

from artifactd.daemon.stores.factory import GCSOptions, S3Options, open_store
from stores.support import Journal


@pytest.mark.parametrize(
    "url",
    [
        "",
        "memory",
        "memory:x",
        "/just/a/path",
        "file:relative",
        "file://host/path",
        "s3:bucket",
        "s3://",
        "gopher://x",
        "gs:bucket",
        "gs://",
        "gs://user:hunter2@bucket/prefix",
        "s3://user:hunter2@bucket/prefix",
        "s3://bucket/prefix?key=hunter2",
    ],
)
async def test_any_other_url_is_refused_without_repeating_secrets(url: str, journal: Journal) -> None:
    with pytest.raises(ValueError, match="store") as caught:
        async with open_store(url, s3=S3Options(), journal=journal):
            pass
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "endpoint",
    ["http://me:hunter2@localhost:1", "http://localhost:1/?X-Amz-Signature=hunter2", "http://localhost:1#hunter2"],
)
async def test_secrets_in_the_endpoint_are_refused_and_not_repeated(journal: Journal, endpoint: str) -> None:
    options = S3Options(endpoint_url=endpoint)
    with pytest.raises(ValueError, match="endpoint_url has no credentials") as caught:
        async with open_store("s3://bucket", s3=options, journal=journal):
            pass
    assert "hunter2" not in str(caught.value)


async def test_credentials_in_the_endpoint_of_gcs_are_refused(journal: Journal) -> None:
    options = GCSOptions(endpoint_url="http://me:hunter2@localhost:1")
    with pytest.raises(ValueError, match="endpoint_url must not contain credentials"):
        async with open_store("gs://bucket", s3=S3Options(), gcs=options, journal=journal):
            pass


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("gs://bucket", "gs://bucket"),
        ("gs://bucket/a/b/", "gs://bucket/a/b"),
    ],
)
async def test_a_store_says_where_it_is(
    url: str, shown: str, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    async with open_store(url, s3=S3Options(region="us-east-1"), journal=journal) as store:
        assert store.url == shown


def test_a_daemon_that_stores_in_a_directory_loads_no_sdk() -> None:
    code = (
        "import sys, artifactd.daemon.stores.factory, artifactd.daemon.stores.local.store;"
        "names = ('asyncio', 'aiohttp', 'botocore', 'awscrt', 'gcloud', 'uvloop');"
        "print([name for name in names if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
