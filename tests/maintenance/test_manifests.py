"""What is found of manifests, and which versions a finding is said to affect."""

from __future__ import annotations

import trio
import trio.testing

from artifactd.daemon.stores.base import Kind, StoreError
from maintenance.support import Altered, Stock, checked, digest, found, key

WEIGHTS = b"weights"


async def test_versions_that_share_a_manifest_share_its_finding(stock: Stock) -> None:
    manifest = await stock.log("model", WEIGHTS)
    await stock.commit("same", manifest)
    await stock.store.delete(key(manifest))
    ((kind, lost, versions),) = found(await checked(stock.url, stock.store))
    assert (kind, lost) == ("missing manifest", digest(manifest))
    assert sorted(versions) == ["team/vision/model:v0", "team/vision/same:v0"]


async def test_a_manifest_that_is_too_long_is_read_and_its_version_named(stock: Stock) -> None:
    manifest = await stock.log("model", WEIGHTS)
    await stock.store.put_batch([(key(manifest), manifest + b"more")])
    report = await checked(stock.url, stock.store)
    assert found(report) == [("wrong size", digest(manifest), ["team/vision/model:v0"])]
    assert report.checked.entries == 1


async def test_right_bytes_that_are_no_manifest_are_corrupt(stock: Stock) -> None:
    await stock.add(b"no manifest")
    await stock.commit("model", b"no manifest")
    report = await checked(stock.url, stock.store, read_data=True)
    assert found(report) == [("corrupt manifest", digest(b"no manifest"), ["team/vision/model:v0"])]
    assert report.findings.kept[0].found.startswith("it cannot be read: ")


async def test_a_manifest_that_the_store_does_not_give_is_unreadable(
    stock: Stock, autojump_clock: trio.testing.MockClock
) -> None:
    manifest = await stock.log("model", WEIGHTS)
    store = Altered(stock.store)

    async def failing(name: str, *_: object, **__: object) -> int:
        await trio.lowlevel.checkpoint()
        raise StoreError(Kind.TRANSIENT, "get", name, "an input/output error")

    store.get = failing  # type: ignore[method-assign]
    report = await checked(stock.url, store)
    assert found(report) == [("unreadable manifest", digest(manifest), ["team/vision/model:v0"])]


async def test_what_is_not_registered_is_looked_for_in_the_store(stock: Stock) -> None:
    await stock.log("model", WEIGHTS)
    await stock.commit("lost", b"never stored")
    report = await checked(stock.url, stock.store)
    assert found(report) == [("unregistered blob", digest(b"never stored"), ["team/vision/lost:v0"])]
    assert report.findings.kept[0].found.endswith("there is no object either")
    await stock.store.put_batch([(key(b"never stored"), b"never stored")])
    report = await checked(stock.url, stock.store)
    assert report.findings.kept[0].found.endswith("there is an object of 12 bytes")
    assert (report.checked.orphans, report.checked.orphan_bytes) == (1, 12)
