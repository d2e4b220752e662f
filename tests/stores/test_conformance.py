"""What every store must do, tried on each kind of store with real files and real servers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from artifactd.daemon.stores.base import Kind, ObjectInfo, Store, StoreError
from artifactd.daemon.stores.sources import BytesSource, FileSource
from servers.buckets import unfinished_uploads
from stores.conftest import Place
from stores.support import MIB, GatedSource, Journal, ShrunkSource, digest, get, keys, put, some_bytes

SINGLE = 8 * MIB
SEVERAL_PARTS = 11 * MIB + 3


@pytest.fixture
def clean(place: Place, journal: Journal) -> Iterator[None]:
    """Whatever the test did: no multipart upload stays behind, in the journal or on the server."""
    yield
    assert journal.open == {}
    if place.server:
        assert unfinished_uploads(place.server, place.bucket) == []


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("size", [0, 1, SINGLE - 1, SINGLE, SINGLE + 1, SEVERAL_PARTS])
async def test_what_is_put_is_what_is_got(store: Store, size: int) -> None:
    data = some_bytes(size)
    await put(store, "aa/object", data)
    assert await store.head("aa/object") == ObjectInfo("aa/object", size)
    assert digest(await get(store, "aa/object")) == digest(data)


async def test_a_range_of_a_file_is_an_object(store: Store, tmp_path: Path) -> None:
    data = some_bytes(SEVERAL_PARTS + 100)
    path = tmp_path / "spooled"
    path.write_bytes(data)
    wanted = data[30:-70]
    fd = os.open(path, os.O_RDONLY)
    try:
        await store.put("aa/large", FileSource(fd, 30, len(wanted)), digest=digest(wanted))
        await store.put("aa/small", FileSource(fd, 5, 7), digest=digest(data[5:12]))
    finally:
        os.close(fd)
    assert digest(await get(store, "aa/large")) == digest(wanted)
    assert await get(store, "aa/small") == data[5:12]


@pytest.mark.parametrize(
    ("offset", "length"), [(0, None), (0, 4), (3, 4), (3, None), (7, 100), (9, 1), (10, None), (11, 5), (2, 0)]
)
async def test_get_writes_the_range_that_was_asked_for(store: Store, offset: int, length: int | None) -> None:
    await put(store, "aa/ten", b"0123456789")
    end = None if length is None else offset + length
    assert await get(store, "aa/ten", offset=offset, length=length) == b"0123456789"[offset:end]


async def test_a_range_of_an_empty_object_is_empty(store: Store) -> None:
    await put(store, "aa/empty", b"")
    assert await get(store, "aa/empty", length=10) == b""


async def test_get_appends_at_the_position_of_the_descriptor(store: Store, tmp_path: Path) -> None:
    await put(store, "aa/first", b"one")
    await put(store, "aa/second", b"two")
    with (tmp_path / "target").open("w+b") as file:
        await store.get("aa/first", file.fileno())
        await store.get("aa/second", file.fileno())
        file.seek(0)
        assert file.read() == b"onetwo"


@pytest.mark.parametrize("length", [None, 0, 5])
async def test_a_missing_object_is_none_not_found_and_deleted(store: Store, length: int | None) -> None:
    assert await store.head("aa/missing") is None
    await store.delete("aa/missing")
    with pytest.raises(StoreError) as caught:
        await get(store, "aa/missing", length=length)
    assert caught.value.kind is Kind.NOT_FOUND
    assert (caught.value.operation, caught.value.key) == ("get", "aa/missing")


async def test_a_deleted_object_is_gone(store: Store) -> None:
    await put(store, "aa/object", b"here")
    await store.delete("aa/object")
    assert await store.head("aa/object") is None
    assert await keys(store) == []


async def test_the_list_is_paged_and_in_the_order_of_keys(store: Store) -> None:
    names = [f"many/{number:04}" for number in range(1005)]
    others = ["a-b", "a/b", "a/b-c", "a/b.c/d", "ab", "manx"]
    outcomes = await store.put_batch([(name, name.encode()) for name in [*reversed(names), *others]])
    assert outcomes == [None] * (len(names) + len(others))
    assert await keys(store) == sorted(names + others)
    assert await keys(store, "many/") == names
    assert await keys(store, "many/000") == names[:10]
    assert await keys(store, "a/b") == ["a/b", "a/b-c", "a/b.c/d"]
    assert await keys(store, "nothing") == []
    assert await get(store, "many/0777") == b"many/0777"


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("size", [100, SEVERAL_PARTS])
async def test_bytes_that_are_not_their_digest_never_become_visible(store: Store, size: int) -> None:
    with pytest.raises(StoreError) as caught:
        await store.put("aa/object", BytesSource(some_bytes(size)), digest=digest(b"something else"))
    assert caught.value.kind is Kind.CORRUPT
    assert await store.head("aa/object") is None
    assert await keys(store) == []


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("size", [100, SEVERAL_PARTS])
async def test_a_source_that_shrank_is_corrupt(store: Store, size: int) -> None:
    data = some_bytes(size)
    with pytest.raises(StoreError) as caught:
        await store.put("aa/object", ShrunkSource(data), digest=digest(data))
    assert caught.value.kind is Kind.CORRUPT
    assert await store.head("aa/object") is None


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("size", [100, SEVERAL_PARTS])
async def test_putting_an_object_again_is_success(store: Store, size: int) -> None:
    data = some_bytes(size)
    await put(store, "aa/object", data)
    await put(store, "aa/object", data)
    assert await keys(store) == ["aa/object"]
    assert digest(await get(store, "aa/object")) == digest(data)


@pytest.mark.parametrize("count", [3, 40])
async def test_one_bad_item_of_a_batch_fails_alone(store: Store, count: int) -> None:
    items: list[tuple[str, bytes | memoryview]] = [(f"aa/{n}", memoryview(some_bytes(n))) for n in range(count)]
    items[1] = ("aa/../escape", b"bad")
    outcomes = await store.put_batch(items)
    assert [outcome and outcome.kind for outcome in outcomes] == [None, Kind.PERMANENT, *[None] * (count - 2)]
    assert await keys(store) == sorted(f"aa/{n}" for n in range(count) if n != 1)
    assert await get(store, f"aa/{count - 1}") == some_bytes(count - 1)


async def test_an_empty_batch_is_no_work(store: Store) -> None:
    assert await store.put_batch([]) == []


@pytest.mark.parametrize("key", ["", "/etc/passwd", "aa/../../b", "aa//b", "aa/./b", "aa/", "aa/\0"])
async def test_a_key_that_could_escape_is_refused(store: Store, key: str) -> None:
    for attempt in (put(store, key, b"x"), get(store, key), store.head(key), store.delete(key)):
        with pytest.raises(StoreError) as caught:
            await attempt
        assert caught.value.kind is Kind.PERMANENT


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(("size", "gate_at"), [(SINGLE, 2 * MIB), (SEVERAL_PARTS, 10 * MIB)])
async def test_a_cancelled_upload_shows_nothing_and_hinders_no_later_one(
    store: Store, size: int, gate_at: int
) -> None:
    data = some_bytes(size)
    source = GatedSource(data, gate_at)
    ended = False
    async with trio.open_nursery() as nursery:

        async def upload() -> None:
            nonlocal ended
            try:
                await store.put("aa/object", source, digest=digest(data))
            finally:
                ended = True

        nursery.start_soon(upload)
        await source.reached.wait()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.testing.wait_all_tasks_blocked()
            assert not ended, "the source's reader was abandoned"
        source.release()
    assert await store.head("aa/object") is None
    assert await keys(store) == []
    await put(store, "aa/object", data)
    assert digest(await get(store, "aa/object")) == digest(data)


async def test_recover_has_nothing_to_do_after_a_clean_run(store: Store) -> None:
    await put(store, "aa/object", b"here")
    assert await store.recover() == 0
    assert await keys(store) == ["aa/object"]
