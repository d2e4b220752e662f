"""Every kind of store, opened as the daemon opens it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from artifactd.daemon.stores.base import Store
from artifactd.daemon.stores.factory import GCSOptions, S3Options, open_store
from artifactd.daemon.stores.gcs.options import PLAIN
from servers.buckets import create_bucket
from servers.gcs import FakeGcs
from servers.process import S3Server
from stores.support import MIB, Journal

PREFIX = "some/prefix"


@dataclass(frozen=True)
class Place:
    """Where a store of some kind is; `server` and `bucket` for S3 only."""

    url: str
    options: S3Options
    server: S3Server | None = None
    bucket: str = ""
    gcs: GCSOptions = PLAIN


def s3_place(server: S3Server, monkeypatch: pytest.MonkeyPatch, endpoint: str | None = None) -> Place:
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    bucket = create_bucket(server)
    options = S3Options(
        endpoint_url=endpoint or server.endpoint, addressing_style="path", part_size=5 * MIB, concurrency=3
    )
    return Place(f"s3://{bucket}/{PREFIX}", options, server, bucket)


def gcs_place(server: FakeGcs, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
    server.create_bucket("bucket")
    return Place(f"gs://bucket/{PREFIX}", S3Options(), gcs=GCSOptions(chunk_size=5 * MIB, concurrency=3))


@pytest.fixture(params=["file", "memory", "juicefs", "ministack", "moto", "swift", "gcs"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    if request.param == "file":
        return Place((tmp_path / "blobs").as_uri(), S3Options())
    if request.param == "memory":
        return Place("memory:", S3Options())
    if request.param == "gcs":
        return gcs_place(request.getfixturevalue("gcs_server"), monkeypatch)
    return s3_place(request.getfixturevalue(f"{request.param}_server"), monkeypatch)


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
async def store(place: Place, journal: Journal) -> AsyncIterator[Store]:
    async with open_store(place.url, s3=place.options, gcs=place.gcs, journal=journal) as opened:
        yield opened
