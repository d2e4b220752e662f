"""Large blobs: several ranges at once, resumed after faults and restarts, and hashed as they grow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing
from blake3 import blake3

from artifactd.daemon.catalog.records import BlobLocation
from artifactd.daemon.downloads import ranges, transfer
from artifactd.daemon.downloads.transfer import Blob, Transfer
from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.memory import MemoryStore
from artifactd.protocol.errors import ArtifactdError, CorruptDownload
from artifactd.protocol.manifest import digest_of

RANGE = 10
BEFORE = b"before"
DATA = bytes(range(95))


class Store(MemoryStore):
    """Records what it is asked for; a get waits for `go`, and has a fault by the offset in the blob, once."""

    def __init__(self) -> None:
        super().__init__()
        self.go = trio.Event()
        self.go.set()
        self.asked: list[tuple[int, int]] = []
        self.faults: dict[int, tuple[Kind, int]] = {}

    async def get(self, key: str, fd: int, *, offset: int = 0, length: int | None = None) -> int:
        first = offset - len(BEFORE)
        assert length is not None
        self.asked.append((first, first + length))
        await self.go.wait()
        kind, arrived = self.faults.pop(first, (None, length))
        written = await super().get(key, fd, offset=offset, length=arrived)
        if kind is not None:
            raise StoreError(kind, "get", key, "injected")
        return written


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "RANGE", RANGE)
    monkeypatch.setattr(ranges, "WINDOW", 4 * RANGE)
    monkeypatch.setattr(transfer, "RANGE", RANGE)
    monkeypatch.setattr(transfer, "delay", lambda kind, attempt, jitter: 0)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "blob", os.O_RDWR | os.O_CREAT, 0o600)
    yield fd
    os.close(fd)


async def stored(data: bytes = DATA, *, lie: bytes | None = None) -> tuple[Store, Blob]:
    store = Store()
    digest = digest_of(blake3(data).digest())
    await store.put_batch([("key", BEFORE + (data if lie is None else lie) + b"after")])
    return store, Blob(digest, BlobLocation("key", len(BEFORE), len(data)))


pytestmark = pytest.mark.usefixtures("small")


@pytest.mark.parametrize("size", [RANGE, RANGE + 1, 4 * RANGE, 5 * RANGE, 95])
async def test_a_blob_is_whole_however_many_ranges_it_has(file: int, size: int) -> None:
    store, blob = await stored(DATA[:size])
    await Transfer(store).fetch(blob, file)
    assert os.pread(file, 200, 0) == DATA[:size]
    assert sorted(store.asked) == [(first, min(first + RANGE, size)) for first in range(0, size, RANGE)]


async def test_ranges_overlap_and_none_runs_further_ahead_than_the_window(file: int) -> None:
    store, blob = await stored()
    store.go = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Transfer(store).fetch, blob, file)
        while len(store.asked) < 4:
            await trio.testing.wait_all_tasks_blocked(0.005)
        await trio.testing.wait_all_tasks_blocked(0.005)
        assert sorted(store.asked) == [(0, 10), (10, 20), (20, 30), (30, 40)]
        store.go.set()
    assert os.pread(file, 200, 0) == DATA


async def test_each_range_goes_on_where_it_broke_off(file: int) -> None:
    store, blob = await stored()
    store.faults = {0: (Kind.TRANSIENT, 3), 50: (Kind.THROTTLED, 9), 59: (Kind.TRANSIENT, 0)}
    await Transfer(store).fetch(blob, file)
    assert os.pread(file, 200, 0) == DATA
    again = set(store.asked) - {(first, min(first + RANGE, 95)) for first in range(0, 95, RANGE)}
    assert again == {(3, 10), (59, 60)}


async def test_a_range_that_arrived_damaged_is_fetched_again_alone(file: int) -> None:
    store, blob = await stored()
    store.faults = {40: (Kind.CORRUPT, 7)}
    await Transfer(store).fetch(blob, file)
    assert os.pread(file, 200, 0) == DATA
    assert sorted(store.asked).count((40, 50)) == 2
    assert len(store.asked) == 11


async def test_a_killed_fetch_left_holes_only_where_the_next_one_fetches_again(file: int) -> None:
    store, blob = await stored()
    # Of the window from 40 on, one range came, which is the longest file that a kill can leave.
    os.pwrite(file, DATA[:40], 0)
    os.pwrite(file, DATA[70:80], 70)
    await Transfer(store).fetch(blob, file)
    assert os.pread(file, 200, 0) == DATA
    assert min(store.asked) == (40, 50)


async def test_a_range_that_fails_ends_the_others_with_its_own_error(file: int) -> None:
    store, blob = await stored()

    class Broken(Store):
        async def get(self, key: str, fd: int, *, offset: int = 0, length: int | None = None) -> int:
            if offset == len(BEFORE) + 20:
                raise StoreError(Kind.PERMANENT, "get", key, "broken")
            await trio.sleep_forever()
            raise AssertionError

    store.__class__ = Broken
    with pytest.raises(ArtifactdError, match="did not deliver it: broken"):
        await Transfer(store).fetch(blob, file)


async def test_a_large_blob_that_is_not_what_its_digest_says_is_refused(file: int) -> None:
    store, blob = await stored(lie=DATA[:-1] + b"!")
    with pytest.raises(CorruptDownload):
        await Transfer(store).fetch(blob, file)


async def test_a_large_blob_that_is_shorter_in_the_store_is_refused(file: int) -> None:
    store, _ = await stored()
    longer = DATA + bytes(20)
    with pytest.raises(CorruptDownload):
        await Transfer(store).fetch(
            Blob(digest_of(blake3(longer).digest()), BlobLocation("key", len(BEFORE), len(longer))), file
        )
