"""One fetch per blob however many ask; what breaks off goes on; what cannot be kept is handed through."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
from blake3 import blake3

from artifactd.daemon.catalog.records import BlobLocation
from artifactd.daemon.downloads import transfer
from artifactd.daemon.downloads.blobs import Blobs
from artifactd.daemon.downloads.cache import Cache
from artifactd.daemon.downloads.transfer import Blob, Transfer
from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.memory import MemoryStore
from artifactd.protocol.errors import ArtifactdError, CorruptDownload, OutOfSpace
from artifactd.protocol.manifest import digest_of


class FaultyStore(MemoryStore):
    """A real store that counts its gets and whose next ones fail as the test says.

    A fault is (kind, bytes that arrive before it), or an errno of the disk.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gets: list[int] = []
        self.faults: list[tuple[Kind, int] | int] = []
        self.hold: trio.Event | None = None

    async def asked(self, times: int) -> None:
        """Wait for the `times`-th get. A task that waits for a thread counts as blocked."""
        while len(self.gets) < times:
            await trio.testing.wait_all_tasks_blocked(0.005)

    async def get(self, key: str, fd: int, *, offset: int = 0, length: int | None = None) -> int:
        self.gets.append(offset)
        if self.hold is not None:
            await self.hold.wait()
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, int):
                raise StoreError(Kind.TRANSIENT, "get", key, "injected") from OSError(fault, "injected")
            kind, arrived = fault
            await super().get(key, fd, offset=offset, length=arrived)
            raise StoreError(kind, "get", key, "injected")
        return await super().get(key, fd, offset=offset, length=length)


class Node:
    """Blobs over a store in memory, and the directories in which they land."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = FaultyStore()
        self.restart()

    def restart(self, limit: int = 10_000, reserve: int = 0) -> None:
        self.cache = Cache(self.root / "cache", limit=limit, reserve=reserve)
        self.blobs = Blobs(self.cache, Transfer(self.store))

    async def stored(self, data: bytes, *, lie: bytes | None = None) -> Blob:
        """A blob in the middle of an object; with `lie`, the object holds that instead."""
        digest = digest_of(blake3(data).digest())
        await self.store.put_batch([(digest, b"before" + (data if lie is None else lie) + b"after")])
        return Blob(digest, BlobLocation(digest, 6, len(data)))

    async def land(self, *blobs: Blob, into: str = "landing", skip_cache: bool = False) -> dict[str, bytes]:
        """What lies in the directory `into` after the blobs have landed there."""
        directory = self.root / into
        directory.mkdir(exist_ok=True)
        fd = os.open(directory, os.O_RDONLY)
        try:
            await self.blobs.land(blobs, fd, skip_cache=skip_cache, landed=lambda _: None)
        finally:
            os.close(fd)
        return {path.name: path.read_bytes() for path in directory.iterdir()}

    def links(self, blob: Blob, into: str = "landing") -> int:
        return (self.root / into / blob.name).stat().st_nlink


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(transfer, "delay", lambda kind, attempt, jitter: 0)
    return Node(tmp_path)


async def test_eight_that_ask_at_once_cost_one_fetch(node: Node) -> None:
    blobs = [await node.stored(b"data %d" % number) for number in range(5)]
    node.store.hold = trio.Event()
    landed: list[dict[str, bytes]] = []

    async def ask(number: int) -> None:
        landed.append(await node.land(*blobs, into=str(number)))

    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(ask, number)
        await node.store.asked(5)
        node.store.hold.set()
    assert landed == [{blob.name: b"data %d" % number for number, blob in enumerate(blobs)}] * 8
    assert len(node.store.gets) == 5


async def test_what_is_in_the_cache_needs_no_store_even_after_a_restart(node: Node) -> None:
    blob = await node.stored(b"data")
    await node.land(blob)
    node.restart()
    assert await node.land(blob, into="again") == {blob.name: b"data"}
    assert len(node.store.gets) == 1
    assert node.links(blob) == 3


async def test_only_what_came_from_the_store_counts_as_just_verified(node: Node) -> None:
    old, new, huge = [await node.stored(data) for data in (b"old", b"new", b"x" * 20_000)]
    await node.land(old, into="before")
    (node.root / "landing").mkdir()
    landing = os.open(node.root / "landing", os.O_RDONLY)
    fetched = await node.blobs.land([old, new, huge], landing, skip_cache=False, landed=lambda _: None)
    assert sorted(fetched) == sorted([new, huge])
    assert await node.blobs.land([old, new, huge], landing, skip_cache=True, landed=lambda _: None) == []
    os.close(landing)


async def test_a_blob_that_another_one_fetched_meanwhile_does_not_count_as_just_verified(node: Node) -> None:
    blob = await node.stored(b"data")
    node.store.hold = trio.Event()
    fetched: list[Blob] = []

    async def ask(into: str) -> None:
        (node.root / into).mkdir()
        landing = os.open(node.root / into, os.O_RDONLY)
        fetched.extend(await node.blobs.land([blob], landing, skip_cache=False, landed=lambda _: None))
        os.close(landing)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "one")
        nursery.start_soon(ask, "other")
        await node.store.asked(1)
        node.store.hold.set()
    assert fetched == [blob]


async def test_when_a_flight_fails_one_of_those_who_waited_takes_over(node: Node) -> None:
    blob = await node.stored(b"data")
    node.store.hold = trio.Event()
    node.store.faults = [(Kind.PERMANENT, 0)] * transfer.MAX_ATTEMPTS
    errors: list[ArtifactdError] = []

    async def ask(number: int) -> None:
        try:
            assert await node.land(blob, into=str(number)) == {blob.name: b"data"}
        except ArtifactdError as error:
            errors.append(error)

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(ask, number)
        await node.store.asked(1)
        node.store.hold.set()
    assert len(errors) == 1
    assert len(node.store.gets) == transfer.MAX_ATTEMPTS + 1


async def test_what_breaks_off_goes_on_where_it_was_for_as_long_as_it_gets_further(node: Node) -> None:
    blob = await node.stored(bytes(range(100)))
    node.store.faults = [(Kind.TRANSIENT, 10)] * 9
    assert await node.land(blob) == {blob.name: bytes(range(100))}
    assert node.store.gets == [6 + 10 * number for number in range(10)]


async def test_a_restart_goes_on_with_what_had_arrived(node: Node) -> None:
    blob = await node.stored(bytes(range(100)))
    node.store.faults = [(Kind.TRANSIENT, 60), (Kind.PERMANENT, 0), *[(Kind.PERMANENT, 0)] * transfer.MAX_ATTEMPTS]
    with pytest.raises(ArtifactdError, match="did not deliver"):
        await node.land(blob)
    node.store.faults.clear()
    node.store.gets.clear()
    node.restart()
    assert await node.land(blob) == {blob.name: bytes(range(100))}
    assert node.store.gets == [66]


async def test_a_part_that_was_damaged_is_fetched_from_the_beginning(node: Node) -> None:
    blob = await node.stored(bytes(range(100)))
    (node.root / "cache" / "partial" / blob.name).write_bytes(b"\0" * 50)
    assert await node.land(blob) == {blob.name: bytes(range(100))}
    assert node.store.gets == [56, 6]


async def test_a_blob_that_is_not_what_its_digest_says_is_never_kept(node: Node) -> None:
    blob = await node.stored(b"data", lie=b"DATA")
    with pytest.raises(CorruptDownload, match=blob.digest):
        await node.land(blob)
    assert list(node.cache.blobs.glob("*/*")) == []
    assert list((node.root / "landing").iterdir()) == []
    assert len(node.store.gets) <= transfer.MAX_ATTEMPTS


async def test_what_is_too_big_for_the_cache_is_handed_through_to_all_at_once(node: Node) -> None:
    node.restart(limit=3)
    blob = await node.stored(b"data")
    node.store.hold = trio.Event()
    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(partial(node.land, blob, into=str(number)))
        await node.store.asked(3)
        node.store.hold.set()
    assert [node.links(blob, str(number)) for number in range(3)] == [1, 1, 1]
    assert list(node.cache.blobs.glob("*/*")) == []


async def test_a_disk_at_its_reserve_still_downloads_past_the_cache(node: Node) -> None:
    node.restart(reserve=1 << 62)
    blob = await node.stored(b"data")
    assert await node.land(blob) == {blob.name: b"data"}
    assert node.links(blob) == 1


async def test_a_disk_that_fills_on_the_way_gets_another_chance_past_the_cache(node: Node) -> None:
    blob = await node.stored(b"data")
    node.store.faults = [errno.ENOSPC]
    assert await node.land(blob) == {blob.name: b"data"}
    assert list((node.root / "cache" / "partial").iterdir()) == []


async def test_what_lands_past_the_cache_on_a_full_disk_takes_the_room_of_what_is_cached(node: Node) -> None:
    old = await node.stored(b"old")
    await node.land(old, into="old")
    (node.root / "old" / old.name).unlink()
    node.restart(limit=3, reserve=1 << 62)
    node.store.faults = [errno.ENOSPC]
    blob = await node.stored(b"data")
    assert await node.land(blob) == {blob.name: b"data"}
    assert list(node.cache.blobs.glob("*/*")) == []


async def test_a_full_disk_is_told_as_such_and_not_tried_for_ever(node: Node) -> None:
    blob = await node.stored(b"data")
    node.store.faults = [errno.ENOSPC, errno.EDQUOT, errno.ENOSPC]
    with pytest.raises(OutOfSpace):
        await node.land(blob)
    assert len(node.store.gets) == 3
    assert list((node.root / "landing").iterdir()) == []


async def test_skipping_the_cache_neither_reads_nor_fills_it(node: Node) -> None:
    kept, other = await node.stored(b"kept"), await node.stored(b"other")
    await node.land(kept)
    landed = await node.land(kept, other, into="past", skip_cache=True)
    assert landed == {kept.name: b"kept", other.name: b"other"}
    assert [node.links(kept, "past"), node.links(other, "past")] == [1, 1]
    assert len(list(node.cache.blobs.glob("*/*"))) == 1
    assert len(node.store.gets) == 3


async def test_what_lies_in_the_directory_already_is_kept(node: Node) -> None:
    blob = await node.stored(b"data")
    (node.root / "landing").mkdir()
    (node.root / "landing" / blob.name).write_bytes(b"mine")
    assert await node.land(blob) == {blob.name: b"mine"}
