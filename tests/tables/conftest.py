"""One daemon for the folder, started by the first test that needs it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from artifactd.client import Client, _defaults
from harness.daemon import DaemonProcess
from harness.places import directory


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    with tempfile.TemporaryDirectory(prefix="artifactd-", dir="/tmp") as home:
        daemon = DaemonProcess(Path(home), directory(tmp_path_factory.mktemp("blobs")))
        daemon.start()
        yield daemon
        daemon.close()


@pytest.fixture
def client(daemon: DaemonProcess) -> Iterator[Client]:
    """The process's default client."""
    with daemon.client() as made:
        yield made
    _defaults.set_active_run(None)
