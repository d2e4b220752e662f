"""Storing blobs through faults: one upload per blob, takeover, retries by kind, registration before success."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import outcome
import pytest
import trio
import trio.testing
from blake3 import blake3

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.catalog.records import BlobLocation, CatalogUnavailable
from artifactd.daemon.pipeline.catalog_calls import CatalogCalls
from artifactd.daemon.pipeline.health import Health
from artifactd.daemon.pipeline.uploader import Blob, Registration, Uploader
from artifactd.daemon.queue.group_commit import GroupCommit
from artifactd.daemon.stores.base import Kind, Source, StoreError
from artifactd.daemon.stores.keys import blob_key
from artifactd.daemon.stores.memory import MemoryStore
from artifactd.daemon.stores.sources import BytesSource
from artifactd.protocol.errors import ArtifactFailed, FileChanged
from artifactd.protocol.manifest import digest_of


class FaultyStore(MemoryStore):
    """A real store whose next puts fail as the test says, and which counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[Kind] = []
        self.puts: list[str] = []
        self.hold: trio.Event | None = None

    async def put_batch(self, items: Sequence[tuple[str, bytes | memoryview]]) -> list[StoreError | None]:
        self.puts.extend(key for key, _ in items)
        if self.hold is not None:
            await self.hold.wait()
        if self.faults:
            kind = self.faults.pop(0)
            return [StoreError(kind, "put", key, "injected") for key, _ in items]
        return await super().put_batch(items)

    async def put(self, key: str, source: Source, *, digest: str) -> None:
        self.puts.append(key)
        if self.faults:
            raise StoreError(self.faults.pop(0), "put", key, "injected")
        await super().put(key, source, digest=digest)


class Witness:
    """Takes down what an upload says of itself."""

    def __init__(self) -> None:
        self.uploads = 0
        self.reasons: list[str | None] = []

    def uploading(self) -> None:
        self.uploads += 1

    def waiting(self, reason: str | None) -> None:
        self.reasons.append(reason)


def blob(data: bytes, label: str = "file", *, promised: bytes | None = None, keep: bool = True) -> Blob:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Source]:
        yield BytesSource(data)

    digest = digest_of(blake3(data if promised is None else promised).digest())
    return Blob(digest, len(data), label, data if keep else None, opened)


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore()


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog.open(f"sqlite:///{tmp_path}/catalog.db")
    yield opened
    opened.close()


@pytest.fixture
async def uploader(store: FaultyStore, catalog: Catalog, nursery: trio.Nursery) -> Uploader:
    def register(rows: Sequence[Registration]) -> list[outcome.Outcome[None]]:
        catalog.register_blobs(rows)
        return [outcome.Value(None) for _ in rows]

    registrations: GroupCommit[Registration, None] = GroupCommit(register, 100)
    nursery.start_soon(registrations.run)
    return Uploader(
        store, catalog, CatalogCalls(Health("catalog", "")), registrations, Health("store", "memory:"), lambda: 0
    )


async def test_a_blob_is_stored_once_and_known_ever_after(
    autojump_clock: trio.testing.MockClock, uploader: Uploader, store: FaultyStore, catalog: Catalog
) -> None:
    data = blob(b"hello")
    await uploader.ensure("e", [data], Witness())
    await uploader.ensure("e", [data], Witness())
    assert store.puts == [blob_key("e", data.digest)]
    assert catalog.known_blobs("e", [data.digest]) == {data.digest: BlobLocation(blob_key("e", data.digest), 0, 5)}


async def test_another_entity_stores_its_own_copy(
    autojump_clock: trio.testing.MockClock, uploader: Uploader, store: FaultyStore
) -> None:
    data = blob(b"hello")
    await uploader.ensure("one", [data], Witness())
    await uploader.ensure("two", [data], Witness())
    assert len(store.puts) == 2


async def test_two_that_want_the_same_blob_share_one_upload(
    autojump_clock: trio.testing.MockClock, uploader: Uploader, store: FaultyStore, nursery: trio.Nursery
) -> None:
    store.hold = trio.Event()
    async with trio.open_nursery() as both:
        both.start_soon(uploader.ensure, "e", [blob(b"same")], Witness())
        both.start_soon(uploader.ensure, "e", [blob(b"same")], Witness())
        while not store.puts:
            await trio.lowlevel.checkpoint()
        store.hold.set()
    assert len(store.puts) == 1


async def test_when_the_first_is_cancelled_the_next_takes_over_with_its_own_source(
    autojump_clock: trio.testing.MockClock, uploader: Uploader, store: FaultyStore
) -> None:
    store.hold = trio.Event()
    async with trio.open_nursery() as outer:
        with trio.CancelScope() as first:
            async with trio.open_nursery() as inner:
                inner.start_soon(uploader.ensure, "e", [blob(b"same", "first")], Witness())
                while not store.puts:
                    await trio.lowlevel.checkpoint()
                outer.start_soon(uploader.ensure, "e", [blob(b"same", "second")], Witness())
                await trio.testing.wait_all_tasks_blocked()
                first.cancel()
        store.hold.set()
    assert len(store.puts) == 2


@pytest.mark.parametrize("kind", [Kind.TRANSIENT, Kind.THROTTLED, Kind.UNKNOWN_OUTCOME, Kind.DENIED])
async def test_an_outage_of_any_length_is_outlived(
    autojump_clock: trio.testing.MockClock, uploader: Uploader, store: FaultyStore, kind: Kind
) -> None:
    store.faults = [kind] * 200
    witness = Witness()
    await uploader.ensure("e", [blob(b"hello")], witness)
    assert len(store.puts) == 201
    waits = "; waiting until that is mended" if kind is Kind.DENIED else ""
    assert witness.reasons[0] == f"the store: injected{waits}"
    assert witness.reasons[-1] is None


@pytest.mark.parametrize("size", [10, 9 << 20])
async def test_expired_credentials_spend_no_attempts_of_other_failures(
    autojump_clock: trio.testing.MockClock, uploader: Uploader, store: FaultyStore, size: int
) -> None:
    store.faults = [Kind.CORRUPT, *[Kind.DENIED] * 20, Kind.CORRUPT, Kind.CORRUPT]
    await uploader.ensure("e", [blob(b"x" * size, keep=size < 1000)], Witness())
    assert len(store.puts) == 24


@pytest.mark.parametrize("kind", [Kind.PERMANENT, Kind.CORRUPT, Kind.NOT_FOUND, Kind.CONFLICT])
@pytest.mark.parametrize("size", [10, 9 << 20])
async def test_what_cannot_succeed_is_given_up_and_names_the_file(
    autojump_clock: trio.testing.MockClock,
    uploader: Uploader,
    store: FaultyStore,
    catalog: Catalog,
    kind: Kind,
    size: int,
) -> None:
    store.faults = [kind] * 200
    data = blob(b"x" * size, "weights/model.bin", keep=size < 1000)
    with pytest.raises(ArtifactFailed, match=r"weights/model.bin"):
        await uploader.ensure("e", [data], Witness())
    assert catalog.known_blobs("e", [data.digest]) == {}
    store.faults = []
    await uploader.ensure("e", [data], Witness())


async def test_only_what_failed_is_sent_again(
    autojump_clock: trio.testing.MockClock, uploader: Uploader, store: FaultyStore
) -> None:
    good, bad = blob(b"good"), blob(b"bad")
    real = MemoryStore.put_batch

    async def first_fails(items: Sequence[tuple[str, bytes | memoryview]]) -> list[StoreError | None]:
        store.puts.extend(key for key, _ in items)
        results = await real(store, items)
        if len(store.puts) == 2:
            at = [key for key, _ in items].index(blob_key("e", bad.digest))
            results[at] = StoreError(Kind.TRANSIENT, "put", "k", "injected")
        return results

    store.put_batch = first_fails  # type: ignore[method-assign]
    await uploader.ensure("e", [good, bad], Witness())
    assert store.puts.count(blob_key("e", good.digest)) == 1
    assert store.puts.count(blob_key("e", bad.digest)) == 2


async def test_a_cached_digest_that_the_bytes_no_longer_have_is_found_out(
    autojump_clock: trio.testing.MockClock, uploader: Uploader, store: FaultyStore
) -> None:
    with pytest.raises(FileChanged):
        await uploader.ensure("e", [blob(b"new", promised=b"old", keep=False)], Witness())
    assert store.puts == []


async def test_an_outage_of_the_catalog_is_outlived(
    autojump_clock: trio.testing.MockClock, uploader: Uploader, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = {"known": 0, "register": 0}

    def flaky(name: str, real: object, *arguments: object) -> object:
        calls[name] += 1
        if calls[name] < 4:
            raise CatalogUnavailable("injected")
        return real(*arguments)  # type: ignore[operator]

    monkeypatch.setattr(catalog, "reuse_blobs", partial(flaky, "known", catalog.reuse_blobs))
    monkeypatch.setattr(catalog, "register_blobs", partial(flaky, "register", catalog.register_blobs))
    await uploader.ensure("e", [blob(b"hello")], Witness())
    assert calls == {"known": 4, "register": 4}
