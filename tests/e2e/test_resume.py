"""A daemon that is killed in the middle of a large upload goes on with it: what has arrived is not sent again."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from blake3 import blake3

from artifactd.client import Artifact
from artifactd.daemon.crashpoints import Point
from harness.daemon import DaemonProcess
from harness.fixtures import MakeDaemon
from harness.mischief import Mischief
from harness.places import new_bucket
from servers.process import S3Server
from stores.proxy import open_proxy
from stores.wire import Wire

PART = 5 << 20
PARTS = 13
IN_FLIGHT = 2
REACH_SECONDS = 60.0


def log_through_kills(daemon: DaemonProcess, source: Path, kill_counts: list[int]) -> bytes:
    """Log `source` and let the daemon kill itself after so many parts in each life; the bytes that come back."""
    expected = source.read_bytes()
    daemon.start(Mischief(kill_at=Point.MID_PART, kill_count=kill_counts[0]))
    with daemon.client() as client:
        artifact = Artifact("model", "model")
        artifact.add_file(source, policy="move")
        handle = client.log_artifact(artifact)
        for count in kill_counts[1:]:
            assert daemon.wait_killed(REACH_SECONDS)
            daemon.start(Mischief(kill_at=Point.MID_PART, kill_count=count), wait=False)
        assert daemon.wait_killed(REACH_SECONDS)
        daemon.start()
        handle.wait(timeout=REACH_SECONDS)
        root = Path(client.use_artifact("model:latest").download(source.parent / "back"))
        assert (root / source.name).read_bytes() == expected
    daemon.stop()
    return expected


@pytest.mark.parametrize("kill_counts", [[4, 3], [1, 1, 1]])
async def test_after_a_kill_only_parts_that_were_in_flight_are_sent_again(
    make_daemon: MakeDaemon, juicefs_server: S3Server, tmp_path: Path, kill_counts: list[int]
) -> None:
    source = tmp_path / "weights.bin"
    await trio.Path(source).write_bytes(blake3(b"weights").digest(PARTS * PART - 1))
    wire = Wire()
    async with open_proxy(juicefs_server.endpoint, upstream=wire.upstream) as endpoint:
        place = new_bucket(juicefs_server, endpoint)
        parts = {"ARTIFACTD_STORE__S3__PART_SIZE": str(PART), "ARTIFACTD_STORE__S3__CONCURRENCY": str(IN_FLIGHT)}
        daemon = make_daemon(replace(place, settings={**place.settings, **parts}))
        await trio.to_thread.run_sync(log_through_kills, daemon, source, kill_counts)
    assert sorted(wire.parts) == list(range(1, PARTS + 1))
    # Each kill comes when a part has just arrived, and finds at most the others that may be in flight.
    again = wire.parts - Counter(dict.fromkeys(wire.parts, 1))
    assert again.total() <= len(kill_counts) * (IN_FLIGHT - 1)
    assert place.left_behind() == []
