"""What is logged is what the file held when it was added, whatever happens to it before the daemon reads it."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from artifactd.client import Artifact, Client, FileChanged
from harness.daemon import DaemonProcess
from harness.mischief import Gate, Hold, Mischief

SMALL, LARGE = 1 << 10, 9 << 20
"""A file that is packed with others, and one that is read twice."""


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"changed")


def truncate(path: Path) -> None:
    os.truncate(path, 7)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def replace(path: Path) -> None:
    new = path.with_name("new")
    new.write_bytes(b"n" * path.stat().st_size)
    new.replace(path)


def delete(path: Path) -> None:
    path.unlink()


def write_mapped(path: Path) -> None:
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[:7] = b"changed"


def overwrite_and_set_times_back(path: Path) -> None:
    times = path.stat()
    overwrite(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


CHANGES = [overwrite, truncate, append, replace, delete, write_mapped]
Change = Callable[[Path], None]


@pytest.fixture
def started(daemon: DaemonProcess, gate: Gate) -> Iterator[DaemonProcess]:
    """A daemon that reads no file while the gate is closed."""
    daemon.start(Mischief(holds={Hold.HASHING: gate.path}))
    yield daemon
    daemon.stop()


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_change_right_after_logging_is_not_logged(
    size: int, started: DaemonProcess, client: Client, gate: Gate, tmp_path: Path
) -> None:
    old = os.urandom(size)
    handles = {}
    with gate.closed():
        for change in CHANGES:
            path = tmp_path / change.__name__
            path.write_bytes(old)
            artifact = Artifact(change.__name__, "model")
            artifact.add_file(path, "weights")
            handles[change] = client.log_artifact(artifact)
            change(path)
    for change, handle in handles.items():
        root = handle.wait(30).download(tmp_path / f"{change.__name__}.out")
        assert Path(root, "weights").read_bytes() == old, change.__name__


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("change", [*CHANGES, overwrite_and_set_times_back])
def test_a_change_of_an_immutable_file_fails_that_artifact_alone(
    change: Change, size: int, started: DaemonProcess, client: Client, gate: Gate, tmp_path: Path
) -> None:
    path = tmp_path / "weights"
    path.write_bytes(os.urandom(size))
    with gate.closed():
        changed = Artifact("model", "model")
        changed.add_file(path, policy="immutable")
        doomed = client.log_artifact(changed)
        change(path)
        (tmp_path / "other").write_bytes(b"kept")
        kept = Artifact("model", "model")
        kept.add_file(tmp_path / "other", policy="immutable")
        handle = client.log_artifact(kept)
    with pytest.raises(FileChanged) as failure:
        doomed.wait(30)
    assert failure.value.subject == "weights"
    assert handle.wait(30).version == "v0"


def test_a_change_of_an_immutable_file_while_it_is_read_fails_it(
    daemon: DaemonProcess, client: Client, gate: Gate, tmp_path: Path
) -> None:
    daemon.start(Mischief(holds={Hold.MID_HASH: gate.path}))
    path = tmp_path / "weights"
    path.write_bytes(os.urandom(LARGE))
    with gate.closed():
        artifact = Artifact("model", "model")
        artifact.add_file(path, policy="immutable")
        handle = client.log_artifact(artifact)
        while handle.state != "hashing":
            handle.look(0.01)
        overwrite(path)
    with pytest.raises(FileChanged):
        handle.wait(30)
    daemon.stop()


def test_an_untouched_immutable_file_is_read_where_it_is(
    started: DaemonProcess, client: Client, tmp_path: Path
) -> None:
    data = os.urandom(LARGE)
    (tmp_path / "weights").write_bytes(data)
    artifact = Artifact("model", "model")
    artifact.add_file(tmp_path / "weights", policy="immutable")
    root = client.log_artifact(artifact).wait(30).download(tmp_path / "out")
    assert Path(root, "weights").read_bytes() == data
