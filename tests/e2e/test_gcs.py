"""A daemon whose store is Google Cloud Storage: it commits, downloads, and goes on after a kill in mid-upload."""

from __future__ import annotations

from pathlib import Path

import pytest
from blake3 import blake3

from artifactd.client import Artifact
from artifactd.daemon.crashpoints import Point
from harness.daemon import DaemonProcess
from harness.fixtures import MakeDaemon
from harness.mischief import Mischief
from harness.places import Place
from servers.gcs import FakeGcs
from servers.gcs_faults import Fault, Operation

MIB = 1 << 20
CHUNK = 8 * MIB
SIZE = 24 * MIB + 5
WEIGHTS = blake3(b"weights").digest(SIZE)
SMALL = b"some"


def gcs_place(server: FakeGcs) -> Place:
    """A `gs://` store in a bucket that keeps every generation."""
    bucket = server.create_bucket("bucket", versioning=True)

    def left_behind() -> list[str]:
        return [f"upload of {session.name}" for session in bucket.sessions.values() if session.made is None]

    settings = {
        "STORAGE_EMULATOR_HOST": server.endpoint,
        "ARTIFACTD_STORE": "gs://bucket/artifacts",
        "ARTIFACTD_STORE__GCS__CHUNK_SIZE": str(CHUNK),
    }
    return Place(settings, left_behind)


def model(directory: Path) -> Artifact:
    (directory / "weights").write_bytes(WEIGHTS)
    (directory / "config").write_bytes(SMALL)
    artifact = Artifact("model", "model")
    artifact.add_file(directory / "weights")
    artifact.add_file(directory / "config")
    return artifact


def check(daemon: DaemonProcess, server: FakeGcs, target: Path) -> None:
    """The version can be downloaded, and each of its objects was made once."""
    with daemon.client() as client:
        found = Path(client.use_artifact("model:v0").download(target))
    assert (found / "weights").read_bytes() == WEIGHTS
    assert (found / "config").read_bytes() == SMALL
    assert server.buckets["bucket"].noncurrent == {}
    assert daemon.place.left_behind() == []


def test_what_is_logged_is_committed_and_downloaded(
    make_daemon: MakeDaemon, gcs_server: FakeGcs, tmp_path: Path
) -> None:
    daemon = make_daemon(gcs_place(gcs_server))
    daemon.start()
    gcs_server.faults.inflict(Operation.PUT, Fault.DROP, Fault.THROTTLED)
    gcs_server.faults.inflict(Operation.CHUNK, Fault.UNAVAILABLE)
    gcs_server.faults.inflict(Operation.GET, Fault.RESET, Fault.CORRUPT)
    with daemon.client() as client:
        assert client.log_artifact(model(tmp_path)).wait(60).version == "v0"
    check(daemon, gcs_server, tmp_path / "target")
    daemon.stop()


@pytest.mark.parametrize(
    ("point", "passings", "sent_again"),
    [(Point.MID_PART, 1, CHUNK), (Point.MID_PART, 3, CHUNK), (Point.MID_PART, 4, 0), (Point.PARTS_SENT, 1, 0)],
)
def test_a_killed_daemon_goes_on_where_the_server_got_to(
    make_daemon: MakeDaemon, gcs_server: FakeGcs, tmp_path: Path, point: Point, passings: int, sent_again: int
) -> None:
    daemon = make_daemon(gcs_place(gcs_server))
    daemon.start(Mischief(kill_at=point, kill_count=passings))
    with daemon.client() as client:
        handle = client.log_artifact(model(tmp_path))
        assert daemon.wait_killed(60)
        daemon.start()
        assert handle.wait(60).version == "v0"
    (name,) = {seen.name for seen in gcs_server.seen if seen.operation is Operation.CHUNK}
    assert gcs_server.received(name) - SIZE < sent_again + 1_000, "more than what was in flight was sent again"
    assert gcs_server.count(Operation.BEGIN) == 1
    check(daemon, gcs_server, tmp_path / "target")
    daemon.stop()
