"""From URLs to stores."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from artifactd.daemon.stores.base import StoreUnusable
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
    with pytest.raises(ValueError, match="use file:///dir") as caught:
        async with open_store(url, s3=S3Options(), journal=journal):
            pass
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_ENDPOINT_URL", "http://me:hunter2@localhost:1"),
        ("AWS_ENDPOINT_URL", "http://me:hunter2@bad host"),
        ("AWS_ENDPOINT_URL_S3", "http://localhost:1/?X-Amz-Signature=hunter2"),
        ("STORAGE_EMULATOR_HOST", "http://me:hunter2@localhost:1"),
    ],
)
async def test_secrets_in_an_endpoint_of_the_sdks_own_are_refused_and_not_repeated(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    url = "s3://bucket" if variable.startswith("AWS") else "gs://bucket"
    with pytest.raises(StoreUnusable, match=r"(?i)endpoint") as caught:
        async with open_store(url, s3=S3Options(), journal=journal):
            pass
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_REGION"])
async def test_what_the_sdk_cannot_work_with_makes_the_store_unusable(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "no such")
    with pytest.raises(StoreUnusable, match="no such"):
        async with open_store("s3://bucket", s3=S3Options(), journal=journal):
            pass


async def test_a_bundle_without_certificates_makes_the_store_unusable(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "bundle").write_text("nothing")
    with pytest.raises(StoreUnusable, match="bundle"):
        async with open_store(
            "gs://bucket", s3=S3Options(), gcs=GCSOptions(ca_bundle=str(tmp_path / "bundle")), journal=journal
        ):
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
