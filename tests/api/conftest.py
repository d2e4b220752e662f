"""One daemon for the whole folder: every test logs under names of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from artifactd.client import Client, _defaults
from harness.daemon import DaemonProcess
from harness.mischief import Gate, Hold, Mischief
from harness.places import directory


@pytest.fixture(scope="session")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the daemon's `file://` store keeps its objects."""
    return tmp_path_factory.mktemp("blobs")


@pytest.fixture(scope="session")
def hashing(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """While it is closed, no file is hashed; an artifact without files needs no hashing."""
    return Gate(tmp_path_factory.mktemp("gates") / "hashing")


@pytest.fixture(scope="session")
def daemon(blobs: Path, hashing: Gate) -> Iterator[DaemonProcess]:
    """It runs; a test that stops it starts it again by `restarted`."""
    with tempfile.TemporaryDirectory(prefix="artifactd-", dir="/tmp") as home:
        daemon = DaemonProcess(Path(home), directory(blobs))
        daemon.start(Mischief(holds={Hold.HASHING: hashing.path}))
        yield daemon
        daemon.close()


@pytest.fixture
def restarted(daemon: DaemonProcess, hashing: Gate) -> Iterator[None]:
    """The test may end the daemon; it runs again afterwards."""
    yield
    daemon.close()
    daemon.start(Mischief(holds={Hold.HASHING: hashing.path}))


@pytest.fixture(autouse=True)
def default(client: Client) -> Iterator[Client]:
    """The client of each test is its process's default; no run stays active."""
    yield client
    _defaults.set_active_run(None)


@pytest.fixture
def held(hashing: Gate) -> AbstractContextManager[None]:
    """Enter it to hold the hashing of files."""
    return hashing.closed()
