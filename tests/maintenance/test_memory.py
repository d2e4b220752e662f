"""Memory does not grow with the number of blobs, objects or entries."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncGenerator, Callable, Iterator

import pytest
import trio

from artifactd.daemon.catalog import BlobLocation, Catalog, pages
from artifactd.daemon.stores.base import ObjectInfo
from artifactd.daemon.stores.keys import blob_key
from artifactd.daemon.stores.memory import MemoryStore
from artifactd.protocol.manifest import Entry
from maintenance.support import ENTITY, Altered, Stock, checked

MANY = 60_000
LIMIT = 12 << 20
"""Bytes; as objects of Python's, so many rows take twice as much."""


@pytest.fixture
def large(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stock]:
    """A catalog of many blobs, none of which is in the store."""
    monkeypatch.setattr(pages, "PAGE", 1_000)
    catalog = Catalog.open(sqlite_url)
    for start in range(0, MANY, 10_000):
        catalog.register_blobs([row(number) for number in range(start, start + 10_000)])
    yield Stock(sqlite_url, catalog)
    catalog.close()


def digest(number: int) -> str:
    return f"blake3:{number:064x}"


def row(number: int) -> tuple[str, str, BlobLocation]:
    return ENTITY, digest(number), BlobLocation(blob_key(ENTITY, digest(number)), 0, 1)


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


async def everything(_: str) -> AsyncGenerator[ObjectInfo, None]:
    await trio.lowlevel.checkpoint()
    for number in range(MANY):
        yield ObjectInfo(blob_key(ENTITY, digest(number)), 1)


async def test_many_blobs_pass_by(large: Stock, peak: Callable[[], int]) -> None:
    store = Altered(MemoryStore())
    store.list = everything
    report = await checked(large.url, store)
    assert (report.checked.blobs, report.findings.total) == (MANY, 0)
    assert peak() < LIMIT


async def test_the_entries_of_a_manifest_pass_by(large: Stock, peak: Callable[[], int]) -> None:
    await large.log("model", entries=[Entry(f"{number:06}", digest(number), 1) for number in range(MANY)])
    store = Altered(large.store)
    store.list = everything
    tracemalloc.reset_peak()
    report = await checked(large.url, store)
    assert (report.checked.entries, report.findings.total) == (MANY, 0)
    assert peak() < LIMIT
