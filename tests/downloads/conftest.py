"""One daemon for the whole folder: every test logs under names of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from artifactd.client import Client
from harness.daemon import DaemonProcess
from harness.places import directory


@pytest.fixture(scope="session")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the daemon's `file://` store keeps its objects."""
    return tmp_path_factory.mktemp("blobs")


@pytest.fixture(scope="session")
def daemon(blobs: Path) -> Iterator[DaemonProcess]:
    with tempfile.TemporaryDirectory(prefix="artifactd-", dir="/tmp") as home:
        daemon = DaemonProcess(Path(home), directory(blobs))
        daemon.start()
        yield daemon
        assert daemon.is_alive(), daemon.tail()
        daemon.close()


@pytest.fixture
def client(daemon: DaemonProcess) -> Iterator[Client]:
    with daemon.client() as made:
        yield made
