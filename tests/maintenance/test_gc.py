"""What a collection deletes, what it keeps, and what it leaves alone while somebody may be relying on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial

import pytest
import trio
from sqlalchemy import create_engine, text

from artifactd.daemon.catalog import BlobLocation, Fenced
from artifactd.daemon.catalog.collector import Collector
from artifactd.daemon.catalog.connecting import parse
from artifactd.daemon.catalog.retention import Policy
from artifactd.daemon.maintenance.collecting import Collected, collect
from artifactd.daemon.maintenance.explaining import explain
from artifactd.daemon.stores.keys import blob_key, parse_blob_key
from artifactd.protocol.messages import DeleteVersion, EditVersion
from maintenance.support import ENTITY, Stock, checked, digest, found, key

OLD, NEW, SHARED = b"old weights", b"new weights", b"tokenizer"


@asynccontextmanager
async def collecting(stock: Stock) -> AsyncIterator[Collector]:
    with closing(await trio.to_thread.run_sync(Collector.open, stock.url)) as collector:
        yield collector


async def collected(stock: Stock, *, dry: bool = False, wait: float = 0.0) -> Collected:
    async with collecting(stock) as collector:
        result = Collected(dry=dry)
        await collect(collector, stock.store, result, wait)
    assert result.complete
    return result


async def call(function: object, *arguments: object) -> object:
    return await trio.to_thread.run_sync(partial(function, *arguments))  # type: ignore[arg-type, call-arg]


async def delete(stock: Stock, name: str, version: int) -> None:
    request = DeleteVersion(entity=ENTITY, project="vision", name=name, version=version, delete_aliases=True)
    await call(stock.catalog.delete, request)


async def explained(stock: Stock, object_key: str) -> list[str]:
    parsed = parse_blob_key(object_key)
    assert parsed is not None
    async with collecting(stock) as collector:
        return [
            reason.partition("; heard")[0] async for reason in explain(collector, stock.store, object_key, parsed)
        ]


async def objects(stock: Stock) -> set[str]:
    return {info.key async for info in stock.store.list("")}


async def test_nothing_that_a_live_version_needs_is_ever_deleted(stock: Stock) -> None:
    await stock.log("model", OLD, SHARED)
    await stock.log("model", NEW, SHARED)
    before = await objects(stock)
    for _ in range(3):
        result = await collected(stock)
        assert (result.swept.deleted.count, result.swept.condemned.count) == (0, 0)
    assert await objects(stock) == before


async def test_what_only_deleted_versions_needed_goes_and_what_they_shared_stays(stock: Stock) -> None:
    manifest = await stock.log("model", OLD, SHARED)
    await stock.log("model", NEW, SHARED)
    await delete(stock, "model", 0)
    result = await collected(stock)
    assert result.swept.deleted.count == 2
    assert result.swept.deleted.bytes == len(OLD) + len(manifest)
    left = await objects(stock)
    assert not left & {key(OLD), key(manifest)}
    assert {key(NEW), key(SHARED)} <= left
    assert stock.catalog.known_blobs(ENTITY, [digest(OLD), digest(SHARED)]).keys() == {digest(SHARED)}
    assert found(await checked(stock.url, stock.store)) == []


async def test_a_dry_run_tells_and_changes_nothing(stock: Stock) -> None:
    await stock.log("model", OLD)
    await delete(stock, "model", 0)
    before = await objects(stock)
    for _ in range(2):
        result = await collected(stock, dry=True)
        assert (result.swept.condemned.count, result.swept.deleted.count) == (2, 0)
    assert await objects(stock) == before


async def test_a_blob_comes_back_under_another_key(stock: Stock) -> None:
    await stock.log("model", OLD)
    await delete(stock, "model", 0)
    await collected(stock)
    epoch = await call(stock.catalog.join, "d", "host", "1.0")
    assert epoch == 2
    assert stock.catalog.reuse_blobs(ENTITY, [digest(OLD)]) == {}
    again = blob_key(ENTITY, digest(OLD), 2)
    assert again == f"{key(OLD)}.2"
    await stock.store.put_batch([(again, OLD)])
    await call(stock.catalog.register_blobs, [(ENTITY, digest(OLD), BlobLocation(again, 0, len(OLD)))])
    assert stock.catalog.known_blobs(ENTITY, [digest(OLD)])[digest(OLD)].key == again


async def test_a_daemon_that_relied_on_a_blob_before_it_was_condemned_keeps_it(stock: Stock) -> None:
    await call(stock.catalog.join, "d", "host", "1.0")
    await stock.log("model", OLD)
    await delete(stock, "model", 0)
    # The daemon has a submission under way that found the blob, in the epoch 0, and nothing is published since.
    assert digest(OLD) in stock.catalog.reuse_blobs(ENTITY, [digest(OLD)])
    for _ in range(3):
        result = await collected(stock)
        assert (result.swept.deleted.count, result.swept.condemned.count) == (0, 2)
        assert [member[:2] for member in result.members] == [("d on host", 0)]
    await stock.log("other", OLD)
    assert await call(stock.catalog.hear, 3) == 3
    await collected(stock)
    assert key(OLD) in await objects(stock)
    assert found(await checked(stock.url, stock.store)) == []


async def test_a_blob_that_is_relied_on_again_is_condemned_no_more(stock: Stock) -> None:
    await call(stock.catalog.join, "d", "host", "1.0")
    await stock.log("model", OLD)
    await delete(stock, "model", 0)
    await collected(stock)
    epoch = await call(stock.catalog.hear, 0)
    assert digest(OLD) in stock.catalog.reuse_blobs(ENTITY, [digest(OLD)])
    await call(stock.catalog.hear, epoch)
    # Its manifest, which nobody relied on, goes.
    assert (await collected(stock)).swept.deleted.count == 1
    assert key(OLD) in await objects(stock)


async def test_a_collection_that_waits_goes_on_when_the_daemon_is_heard(stock: Stock) -> None:
    await call(stock.catalog.join, "d", "host", "1.0")
    await stock.log("model", OLD)
    await delete(stock, "model", 0)
    results: list[Collected] = []

    async def work() -> None:
        results.append(await collected(stock, wait=60.0))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        heard = 0
        while not results:
            heard = await call(stock.catalog.hear, heard)  # type: ignore[assignment]
            await trio.sleep(0.05)
    assert results[0].swept.deleted.count == 2
    assert await objects(stock) == set()


async def test_objects_that_no_row_names_go_once_no_upload_can_be_under_way(stock: Stock) -> None:
    await stock.log("model", NEW)
    young = blob_key(ENTITY, digest(OLD), 1)
    await stock.store.put_batch([(key(OLD), OLD), (young, OLD), ("team/records/x", b"")])
    await call(stock.catalog.join, "d", "host", "1.0")
    # The member may have begun to upload in the epoch 0.
    assert (await collected(stock)).swept.orphans.count == 0
    await call(stock.catalog.hear, 1)
    assert (await collected(stock)).swept.orphans.count == 1
    assert {young, "team/records/x", key(NEW)} <= await objects(stock)
    await call(stock.catalog.hear, 2)
    assert (await collected(stock)).swept.orphans.count == 1
    assert young not in await objects(stock)


async def test_a_member_that_was_fenced_can_neither_register_nor_commit(stock: Stock) -> None:
    await call(stock.catalog.join, "d", "host", "1.0")
    async with collecting(stock) as collector:
        assert await call(collector.fence_silent, 3600.0) == []
        assert await call(collector.fence_silent, -1.0) == ["d on host"]
    with pytest.raises(Fenced):
        await stock.register(OLD)
    with pytest.raises(Fenced):
        await stock.commit("model", OLD)
    with pytest.raises(Fenced):
        await call(stock.catalog.hear, 0)
    await call(stock.catalog.join, "d", "host", "1.0")
    await stock.log("model", OLD)


async def test_a_registration_that_comes_after_its_upload_was_given_up_is_refused(stock: Stock) -> None:
    await call(stock.catalog.join, "d", "host", "1.0")
    async with collecting(stock) as collector:
        assert await call(collector.advance) == 1
    row = (ENTITY, digest(OLD), BlobLocation(key(OLD), 0, len(OLD)))
    await call(partial(stock.catalog.register_blobs, began=0), [row])
    # Heard twice: nothing under way began in the epoch 0 any more, so the object may have been deleted.
    assert await call(stock.catalog.hear, 0) == 1
    assert await call(stock.catalog.hear, 1) == 1
    with pytest.raises(Fenced):
        await call(partial(stock.catalog.register_blobs, began=0), [row])


async def test_a_manifest_that_cannot_be_read_keeps_all_of_its_entity(stock: Stock) -> None:
    manifest = await stock.log("model", OLD)
    await stock.log("model", NEW)
    await delete(stock, "model", 1)
    await stock.store.delete(key(manifest))
    before = await objects(stock)
    result = await collected(stock)
    assert key(manifest) in result.skipped[ENTITY]
    assert await objects(stock) == before


async def test_versions_go_by_the_policy_of_their_collection(stock: Stock) -> None:
    for number in range(6):
        await stock.log("model", b"weights %d" % number)
    edit = EditVersion(entity=ENTITY, project="vision", name="model", version=1, revision=9, add_aliases=("best",))
    await call(stock.catalog.edit, edit)
    async with collecting(stock) as collector:

        async def over(policy: Policy) -> list[int]:
            await call(collector.set_policy, ENTITY, "vision", "model", policy)
            return [version.number for version in await call(collector.expired)]  # type: ignore[attr-defined]

        assert await over(Policy()) == []
        assert await over(Policy(keep_last=2)) == [0, 2, 3]
        assert await over(Policy(keep_last=2, keep_aliased=False)) == [0, 1, 2, 3]
        assert await over(Policy(ttl=60)) == [0, 2, 3, 4]
        assert await over(Policy(ttl=60, keep_last=3)) == [0, 2]
        assert await over(Policy(ttl=1 << 40)) == []
        assert await over(Policy(keep_last=0, keep_aliased=False)) == [0, 1, 2, 3, 4, 5]
        await call(collector.set_policy, ENTITY, "vision", "model", Policy(keep_last=2))
    result = await collected(stock)
    assert [version.address for version in result.expired] == [f"team/vision/model:v{n}" for n in (0, 2, 3)]
    assert result.swept.deleted.count == 6
    assert found(await checked(stock.url, stock.store)) == []


async def test_a_version_goes_after_its_own_ttl(stock: Stock) -> None:
    await stock.log("model", OLD)
    await stock.log("model", NEW)
    edit = EditVersion(entity=ENTITY, project="vision", name="model", version=0, revision=9, ttl=(None, 60))
    await call(stock.catalog.edit, edit)
    result = await collected(stock)
    assert [(version.number, version.reason) for version in result.expired] == [(0, "its ttl is over")]


async def test_a_collector_that_died_in_between_leaves_work_for_the_next(stock: Stock) -> None:
    await stock.log("model", OLD)
    await delete(stock, "model", 0)
    async with collecting(stock) as collector:
        await call(collector.condemn, ENTITY, [digest(OLD)])
        epoch = await call(collector.advance)
        assert await call(collector.doom, ENTITY, [digest(OLD)], epoch) == [digest(OLD)]
    assert stock.catalog.known_blobs(ENTITY, [digest(OLD)]) == {}
    await collected(stock)
    assert await objects(stock) == set()
    engine = create_engine(parse(stock.url))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM blobs")) == 0
    engine.dispose()


async def test_it_is_explained_why_an_object_is_kept(stock: Stock) -> None:
    await call(stock.catalog.join, "d", "host", "1.0")
    manifest = await stock.log("model", OLD)
    await stock.store.put_batch([(blob_key(ENTITY, digest(OLD), 5), OLD)])
    member = "daemon d on host: its checks reach back to epoch 0"
    assert await explained(stock, key(OLD)) == [
        "team/vision/model:v0 has it as file-000000",
        "it is not condemned",
        member,
    ]
    assert "team/vision/model:v0 has it as its manifest" in await explained(stock, key(manifest))
    assert await explained(stock, blob_key(ENTITY, digest(OLD), 5)) == [
        f"no row of the catalog names it (the blob is at {key(OLD)})",
        "epoch 5, horizon 0: an upload that began before may still register it; it stays until the horizon is "
        "later",
        member,
    ]
    await delete(stock, "model", 0)
    await collected(stock)
    assert await explained(stock, key(OLD)) == [
        "no live version and no unfinished draft refers to it",
        "epoch 0, horizon 0: it was condemned then, and a daemon may have found it before; it stays until the "
        "horizon is later",
        member,
    ]
