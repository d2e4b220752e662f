"""A pytest plugin: homes, daemons and places for their stores, all gone at the end of the test."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from artifactd.client import Client
from harness.daemon import DaemonProcess
from harness.mischief import Gate
from harness.places import Place, directory, new_bucket
from servers.process import S3Server

__all__ = ["MakeDaemon"]

MakeDaemon = Callable[[Place], DaemonProcess]


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory whose path leaves room for the name of a socket in it."""
    path = Path(tempfile.mkdtemp(prefix="artifactd-", dir="/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """An artifact name that no other test uses."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", request.node.name).strip("-.")[-128:]


@pytest.fixture
def directory_place(tmp_path: Path) -> Place:
    return directory(tmp_path / "blobs")


@pytest.fixture
def bucket_place(juicefs_server: S3Server) -> Place:
    return new_bucket(juicefs_server)


@pytest.fixture(
    params=[
        pytest.param("directory_place", id="file"),
        pytest.param("bucket_place", id="s3", marks=pytest.mark.long),
    ]
)
def place(request: pytest.FixtureRequest) -> Place:
    """Each kind of store in turn."""
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def make_daemon() -> Iterator[MakeDaemon]:
    """Makes daemons in homes of their own, not started yet."""
    with ExitStack() as running:

        def make(place: Place) -> DaemonProcess:
            daemon = DaemonProcess(running.enter_context(short_directory()), place)
            running.callback(daemon.close)
            return daemon

        yield make


@pytest.fixture
def daemon(make_daemon: MakeDaemon, directory_place: Place) -> DaemonProcess:
    """A daemon with a `file://` store, not started yet."""
    return make_daemon(directory_place)


@pytest.fixture
def client(daemon: DaemonProcess) -> Iterator[Client]:
    """A client of `daemon`; made without it running."""
    with daemon.client() as made:
        yield made


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")
