"""A daemon that is killed in the middle of a large upload goes on with it: what has arrived is not sent again."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import trio
from blake3 import blake3

from artifactd.client import Artifact
from artifactd.daemon.crashpoints import Point
from harness.daemon import DaemonProcess
from harness.fixtures import MakeDaemon
from harness.mischief import Mischief
from harness.places import Place, new_bucket
from harness.waiting import wait_until
from servers.buckets import s3_client, unfinished_uploads
from servers.gcs import FakeGcs
from servers.gcs_faults import Operation
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


HUGE = 2 << 30
HUGE_PART = 16 << 20
HUGE_IN_FLIGHT = 4
KILLED_AT = (30, 75)
"""How many parts of 128 are sent, or on their way, when the daemon is killed."""
OVERHEAD = 0.01
"""What requests cost beside their bodies."""


def write_huge(path: Path) -> None:
    """A file of which every part has bytes of its own and the rest is a hole."""
    with path.open("wb") as file:
        file.truncate(HUGE)
        for offset in range(0, HUGE, HUGE_PART):
            file.seek(offset + offset % 4093)
            file.write(b"part at %d" % offset)


def digest_of_file(path: Path) -> str:
    return blake3(max_threads=2).update_mmap(path).hexdigest()


def digest_of_only_object(server: S3Server, bucket: str) -> str:
    """Of the only large one."""
    client = s3_client(server)
    try:
        (key,) = [
            item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"] if item["Size"] == HUGE
        ]
        digest = blake3()
        for piece in client.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(1 << 20):
            digest.update(piece)
        return digest.hexdigest()
    finally:
        client.close()


def finished_parts(server: S3Server, bucket: str) -> set[int]:
    """What the server has of the one unfinished upload."""
    ((key, upload_id),) = unfinished_uploads(server, bucket)
    client = s3_client(server)
    try:
        return {
            part["PartNumber"] for part in client.list_parts(Bucket=bucket, Key=key, UploadId=upload_id)["Parts"]
        }
    finally:
        client.close()


def is_journalled(home: Path) -> bool:
    """Whether the journal knows the id of the only upload."""
    with closing(sqlite3.connect(f"file:{home}/journal.db?mode=ro", uri=True)) as journal:
        ((upload_id,),) = journal.execute("SELECT upload_id FROM uploads").fetchall()
    return bool(upload_id)


def reached(wire: Wire, parts: int) -> bool:
    return wire.parts.total() >= parts


def received(server: FakeGcs, chunks: int) -> bool:
    return server.count(Operation.CHUNK) >= chunks


def log_huge_through_kills(
    daemon: DaemonProcess, server: S3Server, source: Path, wire: Wire
) -> list[tuple[set[int], Counter[int]]]:
    """Log it; for each kill the parts that the server had then, and what passed after it."""
    bucket = daemon.place.settings["ARTIFACTD_STORE"].split("/")[2]
    kills: list[tuple[set[int], Counter[int]]] = []
    daemon.start()
    with daemon.client() as client:
        artifact = Artifact("model", "model")
        artifact.add_file(source, policy="move")
        handle = client.log_artifact(artifact)
        for parts in KILLED_AT:
            wait_until(partial(reached, wire, parts), "it does not get there")
            daemon.kill()
            finished = finished_parts(server, bucket)
            passed = wire.parts.copy()
            daemon.start()
            kills.append((finished, passed))
        handle.wait(timeout=300)
    daemon.stop()
    return kills


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_an_upload_of_two_gibibytes_that_is_killed_sends_no_finished_part_again(
    make_daemon: MakeDaemon, juicefs_server: S3Server, tmp_path: Path
) -> None:
    source = tmp_path / "weights.bin"
    write_huge(source)
    digest = digest_of_file(source)
    wire = Wire()
    journalled: list[bool] = []

    def look_at_first_part(line: bytes) -> bool:
        if b"partNumber=" in line and not journalled:
            journalled.append(is_journalled(daemon.home))
        return False

    wire.cut = look_at_first_part
    async with open_proxy(juicefs_server.endpoint, upstream=wire.upstream) as endpoint:
        place = new_bucket(juicefs_server, endpoint)
        parts = {
            "ARTIFACTD_STORE__S3__PART_SIZE": str(HUGE_PART),
            "ARTIFACTD_STORE__S3__CONCURRENCY": str(HUGE_IN_FLIGHT),
        }
        daemon = make_daemon(replace(place, settings={**place.settings, **parts}))
        kills = await trio.to_thread.run_sync(log_huge_through_kills, daemon, juicefs_server, source, wire)
    assert journalled == [True]
    for finished, passed in kills:
        assert len(finished) > HUGE_IN_FLIGHT
        again = wire.parts - passed
        assert finished & again.keys() == set()
    assert sorted(wire.parts) == list(range(1, HUGE // HUGE_PART + 1))
    most = HUGE + len(KILLED_AT) * HUGE_IN_FLIGHT * HUGE_PART
    assert wire.parts.total() * HUGE_PART <= most
    assert HUGE < wire.bytes < most * (1 + OVERHEAD)
    assert place.left_behind() == []
    bucket = place.settings["ARTIFACTD_STORE"].split("/")[2]
    assert await trio.to_thread.run_sync(digest_of_only_object, juicefs_server, bucket) == digest


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_session_of_two_gibibytes_that_is_killed_goes_on_where_the_server_got_to(
    make_daemon: MakeDaemon, gcs_server: FakeGcs, tmp_path: Path
) -> None:
    source = tmp_path / "weights.bin"
    write_huge(source)
    digest = digest_of_file(source)
    bucket = gcs_server.create_bucket("bucket", versioning=True)
    settings = {
        "STORAGE_EMULATOR_HOST": gcs_server.endpoint,
        "ARTIFACTD_STORE": "gs://bucket",
        "ARTIFACTD_STORE__GCS__CHUNK_SIZE": str(HUGE_PART),
    }
    daemon = make_daemon(Place(settings, list))
    daemon.start()
    with daemon.client() as client:
        artifact = Artifact("model", "model")
        artifact.add_file(source, policy="move")
        handle = client.log_artifact(artifact)
        for chunks in KILLED_AT:
            wait_until(partial(received, gcs_server, chunks), "it does not get there")
            daemon.kill()
            daemon.start()
        assert handle.wait(timeout=300).version == "v0"
    (made,) = [found for found in bucket.live.values() if len(found.data) == HUGE]
    assert blake3(made.data, max_threads=2).hexdigest() == digest
    assert gcs_server.count(Operation.BEGIN) == 1
    assert HUGE <= gcs_server.received(made.name) <= HUGE + len(KILLED_AT) * HUGE_PART
    assert bucket.noncurrent == {}
    daemon.stop()
