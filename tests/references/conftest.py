"""One daemon for the folder, which reaches every server that the tests run; tests log under names of their own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from artifactd.client import Client
from harness.daemon import DaemonProcess
from harness.places import directory
from servers.buckets import create_bucket
from servers.gcs import FakeGcs, fake_gcs
from servers.process import S3Server
from servers.web import Website, website


@pytest.fixture(scope="session")
def gcs() -> Iterator[FakeGcs]:
    with fake_gcs() as server:
        yield server


@pytest.fixture
def site() -> Iterator[Website]:
    with website() as made:
        yield made


@pytest.fixture(scope="session")
def daemon(
    tmp_path_factory: pytest.TempPathFactory, moto_server: S3Server, gcs: FakeGcs
) -> Iterator[DaemonProcess]:
    settings = {
        **moto_server.environ,
        "ARTIFACTD_STORE__S3__ENDPOINT_URL": moto_server.endpoint,
        "ARTIFACTD_STORE__S3__ADDRESSING_STYLE": "path",
        "STORAGE_EMULATOR_HOST": gcs.endpoint,
    }
    with tempfile.TemporaryDirectory(prefix="artifactd-", dir="/tmp") as home:
        daemon = DaemonProcess(Path(home), directory(tmp_path_factory.mktemp("blobs")))
        daemon.start(**settings)
        yield daemon
        assert daemon.is_alive(), daemon.tail()
        daemon.close()


@pytest.fixture
def client(daemon: DaemonProcess) -> Iterator[Client]:
    """The default of its process, for the length of a test."""
    with daemon.client() as made:
        yield made


@pytest.fixture
def bucket(moto_server: S3Server) -> str:
    return create_bucket(moto_server)
