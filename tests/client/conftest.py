from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_daemon import FakeDaemon

from artifactd.client import Client, _defaults


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path: socket paths are limited."""
    with tempfile.TemporaryDirectory(prefix="ad") as directory:
        yield Path(directory)


@pytest.fixture
def daemon(home: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(home) as fake:
        yield fake


@pytest.fixture
def client(daemon: FakeDaemon) -> Iterator[Client]:
    """The process's default client, of the fake daemon."""
    with Client(daemon.path, timeout=5.0, entity="me", project="bikes") as made:
        yield made
    _defaults.set_active_run(None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"old contents")
    return path
