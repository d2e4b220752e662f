"""A full disk refuses what comes, clearly; what was accepted is kept, and goes on by itself once there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from artifactd.client import Artifact, LogHandle, OutOfSpace
from harness.daemon import DaemonProcess
from harness.mischief import Gate, Hold, Mischief
from harness.places import directory

MIB = 1 << 20
DISK = 64 * MIB
"""Room for the journal (16 MiB from its first day), and for four checkpoints in the spool and in the store: what
was uploaded out of turn stays in both until its predecessor is committed."""
RESERVE = 8 * MIB
CHECKPOINT = 4 * MIB


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of its own, of 64 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", path], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield path
    subprocess.run(["umount", path], check=True)


class Ballast:
    """A file that leaves a certain number of bytes of a disk free."""

    def __init__(self, disk: Path) -> None:
        self._path = disk / "ballast"

    def leave_free(self, free: int) -> None:
        self._path.touch()
        status = os.statvfs(self._path)
        size = self._path.stat().st_size + status.f_bavail * status.f_frsize - free
        with self._path.open("r+b") as file:
            file.truncate(size)
            os.posix_fallocate(file.fileno(), 0, size)

    def remove(self) -> None:
        self._path.unlink()


def checkpoint(directory: Path, number: int, size: int = CHECKPOINT) -> Artifact:
    (directory / "weights").write_bytes(number.to_bytes(8, "big") * (size // 8))
    artifact = Artifact("model", "model")
    artifact.add_file(directory / "weights")
    return artifact


def in_place(path: Path) -> Artifact:
    """An artifact that needs no room in the spool."""
    path.write_bytes(os.urandom(100))
    artifact = Artifact("model", "model")
    artifact.add_file(path, policy="immutable")
    return artifact


def versions(handles: list[LogHandle]) -> list[str]:
    # The store may have been tried often meanwhile, and the next attempt be half a minute away.
    return [handle.wait(60).version for handle in handles]


@pytest.mark.parametrize("everything", [False, True], ids=["with the store elsewhere", "with everything on it"])
def test_a_full_disk_refuses_new_work_and_loses_none(
    everything: bool, small_disk: Path, gate: Gate, tmp_path: Path
) -> None:
    data = small_disk if everything else tmp_path
    home = small_disk / "home"
    home.mkdir()
    daemon = DaemonProcess(home, directory(data / "blobs"))
    ballast = Ballast(small_disk)
    try:
        daemon.start(
            Mischief(holds={Hold.HASHING: gate.path}),
            ARTIFACTD_SPOOL__RESERVE=str(RESERVE),
            ARTIFACTD_CATALOG=f"sqlite:///{data}/catalog.db",
        )
        with daemon.client() as client:
            with gate.closed():
                handles = [client.log_artifact(checkpoint(tmp_path, number)) for number in range(4)]
                ballast.leave_free(RESERVE + CHECKPOINT // 2)
                with pytest.raises(OutOfSpace, match="reserve"):
                    checkpoint(tmp_path, 4)
                ballast.leave_free(RESERVE // 2)
                with pytest.raises(OutOfSpace, match="reserve"):
                    client.log_artifact(in_place(tmp_path / "in-place"))
                ballast.leave_free(0)
            if not everything:
                assert versions(handles) == ["v0", "v1", "v2", "v3"]
            ballast.remove()
            assert versions(handles) == ["v0", "v1", "v2", "v3"]
            assert client.log_artifact(in_place(tmp_path / "in-place")).wait(30).version == "v4"
        daemon.stop()
    finally:
        daemon.close()


def test_a_reserve_larger_than_what_is_free_refuses_new_work_and_finishes_the_old(
    daemon: DaemonProcess, gate: Gate, tmp_path: Path
) -> None:
    daemon.start(Mischief(holds={Hold.HASHING: gate.path}))
    with gate.closed(), daemon.client() as client:
        accepted = client.log_artifact(checkpoint(tmp_path, 0)).id
        daemon.kill()
    daemon.start(ARTIFACTD_SPOOL__RESERVE=str(1 << 60))
    with daemon.client() as client:
        with pytest.raises(OutOfSpace, match="reserve"):
            client.log_artifact(in_place(tmp_path / "in-place"))
        with pytest.raises(OutOfSpace, match="reserve"):
            client.log_artifact(tmp_path / "weights")
        assert client.handle(accepted).wait(30).version == "v0"
