"""Catalog and store are worked with meanwhile: only what a second look confirms is a finding."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
import trio
import trio.testing

from artifactd.daemon.catalog import BlobLocation
from artifactd.daemon.catalog.reader import CatalogReader
from artifactd.daemon.maintenance import patience
from artifactd.daemon.maintenance.patience import list_objects
from artifactd.daemon.stores.base import Kind, ObjectInfo, StoreError
from artifactd.daemon.stores.memory import MemoryStore
from artifactd.protocol.manifest import Entry, Reference, pack_manifest
from artifactd.protocol.messages import DeleteVersion
from maintenance.support import ENTITY, Altered, Stock, checked, digest, found, key

WEIGHTS, OTHER = b"weights", b"other weights"


async def test_a_blob_stored_after_its_page_of_the_listing_is_no_finding(stock: Stock) -> None:
    await stock.log("model", WEIGHTS)
    store = Altered(stock.store)

    async def early(prefix: str) -> AsyncGenerator[ObjectInfo, None]:
        return
        yield

    store.list = early
    report = await checked(stock.url, store)
    assert found(report) == []
    assert report.checked.blobs == 2


async def test_a_blob_that_the_catalog_gives_up_meanwhile_is_no_finding(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stock.register(WEIGHTS)
    monkeypatch.setattr(CatalogReader, "known_blobs", lambda *_: {})
    assert found(await checked(stock.url, stock.store)) == []


async def test_a_blob_that_moves_meanwhile_is_looked_for_where_it_is_now(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stock.register(WEIGHTS)
    await stock.store.put_batch([("team/blobs/new", b"pack" + WEIGHTS)])
    moved = {digest(WEIGHTS): BlobLocation("team/blobs/new", len(b"pack"), len(WEIGHTS))}
    monkeypatch.setattr(CatalogReader, "known_blobs", lambda *_: moved)
    assert found(await checked(stock.url, stock.store)) == []


async def test_bytes_that_were_damaged_on_their_way_are_no_finding(stock: Stock) -> None:
    await stock.log("model", WEIGHTS)
    store = Altered(stock.store)
    get, times = stock.store.get, iter(range(1))

    async def damaging(key: str, fd: int, **where: Any) -> int:
        if next(times, None) is None:
            return await get(key, fd, **where)
        other = MemoryStore()
        await other.put_batch([(key, bytes(where["length"]))])
        return await other.get(key, fd, **where)

    store.get = damaging  # type: ignore[method-assign]
    assert found(await checked(stock.url, store, read_data=True)) == []
    assert next(times, None) is None


async def test_a_version_that_is_deleted_meanwhile_needs_no_manifest(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = await stock.log("model", WEIGHTS)
    await stock.log("other", OTHER)
    row = delete_after_the_page(stock, monkeypatch)
    await stock.store.delete(key(manifest))
    report = await checked(stock.url, stock.store)
    # The blob is in the catalog still.
    assert found(report) == [("missing blob", digest(manifest), [])]
    assert row == ["team/vision/model:v0", "team/vision/other:v0"]


async def test_a_version_that_is_deleted_meanwhile_needs_no_blobs(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = b"".join(pack_manifest([Entry("weights", digest(WEIGHTS), len(WEIGHTS))]))
    await stock.add(manifest)
    await stock.commit("model", manifest)
    delete_after_the_page(stock, monkeypatch)
    assert found(await checked(stock.url, stock.store)) == []


def delete_after_the_page(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Delete `model:v0` once it was read that it is there; the addresses that were read."""
    versions, seen = CatalogReader.versions, list[str]()
    gone = DeleteVersion(entity=ENTITY, project="vision", name="model", version=0, delete_aliases=True)

    def reading(self: CatalogReader, after: tuple[int, int]) -> Any:
        page = versions(self, after)
        if page:
            stock.catalog.delete(gone)
        seen.extend(row.address for row in page)
        return page

    monkeypatch.setattr(CatalogReader, "versions", reading)
    return seen


async def test_a_row_that_comes_while_a_manifest_is_compared_is_no_finding(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stock.log("model", WEIGHTS)
    known, late = CatalogReader.known_blobs, {digest(WEIGHTS)}

    def knowing(self: CatalogReader, entity: str, digests: set[str]) -> dict[str, BlobLocation]:
        rows = known(self, entity, digests)
        for name in late & rows.keys():
            del rows[name]
            late.clear()
        return rows

    monkeypatch.setattr(CatalogReader, "known_blobs", knowing)
    assert found(await checked(stock.url, stock.store)) == []
    assert not late


async def test_references_need_no_blob(stock: Stock) -> None:
    reference = Entry("remote", "md5:abc", 5, Reference("s3://bucket/key", (("etag", "x"),)))
    await stock.log("model", WEIGHTS, entries=[reference])
    report = await checked(stock.url, stock.store)
    assert found(report) == []
    assert report.checked.entries == 2


async def test_a_listing_goes_on_after_an_outage_where_it_was(
    autojump_clock: trio.testing.MockClock,
) -> None:
    inner = MemoryStore()
    await inner.put_batch([(f"team/blobs/{number}", b"") for number in range(9)])
    # More failures than are borne in a row, at places that they do not all get beyond.
    asked = iter([1, 0, 0, 2, 4, 5, 6, 7, 8, 9])

    async def breaking(prefix: str) -> AsyncGenerator[ObjectInfo, None]:
        left = next(asked)
        async with aclosing(inner.list(prefix)) as whole:
            async for info in whole:
                if not left:
                    raise StoreError(Kind.TRANSIENT, "list", prefix, "cut off")
                left -= 1
                yield info

    store = Altered(inner)
    store.list = breaking
    listed = [info.key async for info in list_objects(store, "team/")]  # type: ignore[arg-type]
    assert listed == [f"team/blobs/{number}" for number in range(9)]
    assert next(asked, None) is None


async def test_an_outage_that_lasts_ends_the_check(stock: Stock, autojump_clock: trio.testing.MockClock) -> None:
    await stock.log("model", WEIGHTS)
    store, attempts = Altered(stock.store), list[str]()

    async def failing(prefix: str) -> AsyncGenerator[ObjectInfo, None]:
        attempts.append(prefix)
        raise StoreError(Kind.TRANSIENT, "list", prefix, "no route")
        yield

    store.list = failing
    with pytest.RaisesGroup(pytest.RaisesExc(StoreError, match="no route"), flatten_subgroups=True):
        await checked(stock.url, store)
    assert attempts == ["team/blobs/"] * patience.MAX_ATTEMPTS
