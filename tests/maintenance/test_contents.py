"""Reading a blob: right bytes pass, wrong ones do not; an outage is told from an object that cannot be read."""

from __future__ import annotations

import tempfile

import pytest
import trio.testing

from artifactd.daemon.catalog import BlobLocation
from artifactd.daemon.maintenance import contents
from artifactd.daemon.maintenance.contents import read_problem
from artifactd.daemon.maintenance.findings import Kind
from artifactd.daemon.stores.base import Kind as StoreKind
from artifactd.daemon.stores.base import ObjectInfo, StoreError
from artifactd.daemon.stores.memory import MemoryStore
from maintenance.support import Altered, digest

PAGE = 1 << 16
DATA = bytes(range(256)) * (5 * PAGE // 2 // 256)
WHOLE = BlobLocation("key", 0, len(DATA))

pytestmark = pytest.mark.usefixtures("autojump_clock")


@pytest.fixture(autouse=True)
def pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of them make up the data."""
    monkeypatch.setattr(contents, "PIECE", PAGE)


async def store_of(data: bytes) -> Altered:
    store = MemoryStore()
    await store.put_batch([("key", data)])
    return Altered(store)


async def problem(store: Altered, location: BlobLocation = WHOLE, data: bytes = DATA) -> Kind | None:
    found = await read_problem(store, digest(data), location)  # type: ignore[arg-type]
    return found and found.kind


@pytest.mark.parametrize("data", [b"", b"x", DATA, DATA[:PAGE], DATA[: 2 * PAGE]])
async def test_right_bytes_are_no_problem_and_are_kept_whole(data: bytes) -> None:
    store = await store_of(data)
    with tempfile.TemporaryFile() as file:
        assert await read_problem(store, digest(data), BlobLocation("key", 0, len(data)), file) is None  # type: ignore[arg-type]
        file.seek(0)
        assert file.read() == data
    assert await problem(store, BlobLocation("key", 0, len(data)), data) is None


@pytest.mark.parametrize("position", [0, PAGE - 1, PAGE, len(DATA) - 1])
async def test_a_flipped_bit_is_found_wherever_it_is(position: int) -> None:
    damaged = bytearray(DATA)
    damaged[position] ^= 1
    assert await problem(await store_of(bytes(damaged))) is Kind.CORRUPT_BLOB


async def test_only_the_blobs_part_of_an_object_counts() -> None:
    store = await store_of(b"before" + DATA + b"behind")
    assert await problem(store, BlobLocation("key", 6, len(DATA))) is None
    assert await problem(store, BlobLocation("key", 5, len(DATA))) is Kind.CORRUPT_BLOB


async def test_an_object_that_ends_early_is_corrupt() -> None:
    assert await problem(await store_of(DATA[:-1])) is Kind.CORRUPT_BLOB


async def test_an_object_that_is_gone_is_missing() -> None:
    assert await problem(Altered(MemoryStore())) is Kind.MISSING_BLOB


async def test_what_breaks_off_is_fetched_again() -> None:
    store = await store_of(DATA)
    whole, failures = store.get, iter(range(3))

    async def get(key: str, fd: int, *, offset: int = 0, length: int | None = None) -> int:
        if offset == PAGE and next(failures, None) is not None:
            await whole(key, fd, offset=offset, length=100)
            raise StoreError(StoreKind.TRANSIENT, "get", key, "cut off")
        return await whole(key, fd, offset=offset, length=length)

    store.get = get  # type: ignore[method-assign]
    assert await problem(store) is None
    assert next(failures, None) is None


async def failing(key: str, *_: object, **__: object) -> int:
    await trio.lowlevel.checkpoint()
    raise StoreError(StoreKind.TRANSIENT, "get", key, "an input/output error")


async def test_an_object_that_is_there_and_cannot_be_read_is_unreadable() -> None:
    store = await store_of(DATA)
    store.get = failing  # type: ignore[method-assign]
    found = await read_problem(store, digest(DATA), WHOLE)  # type: ignore[arg-type]
    assert found is not None
    assert (found.kind, found.found) == (Kind.UNREADABLE_BLOB, "an input/output error")


async def test_a_store_that_says_nothing_at_all_is_no_finding() -> None:
    store = await store_of(DATA)

    async def head(key: str) -> ObjectInfo | None:
        await trio.lowlevel.checkpoint()
        raise StoreError(StoreKind.TRANSIENT, "head", key, "no route")

    store.get, store.head = failing, head  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="no route"):
        await problem(store)
