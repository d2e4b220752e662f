"""Catalogs and stores that are filled without a daemon, checks of them, and stores that tell of another moment."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field

import trio
from blake3 import blake3

from artifactd.daemon.catalog import BlobLocation, Catalog, Head
from artifactd.daemon.catalog.reader import CatalogReader
from artifactd.daemon.maintenance.report import Report
from artifactd.daemon.maintenance.verify import verify
from artifactd.daemon.stores.base import ObjectInfo, Store
from artifactd.daemon.stores.keys import blob_key
from artifactd.daemon.stores.memory import MemoryStore
from artifactd.protocol.manifest import Entry, digest_of, pack_manifest

__all__ = ["ENTITY", "Altered", "Stock", "checked", "digest", "found", "key"]

ENTITY = "team"


def digest(data: bytes) -> str:
    return digest_of(blake3(data).digest())


def key(data: bytes) -> str:
    return blob_key(ENTITY, digest(data))


@dataclass
class Stock:
    """A catalog and a store in memory that fit each other, as a daemon would have left them."""

    url: str
    catalog: Catalog
    store: MemoryStore = field(default_factory=MemoryStore)

    async def add(self, *blobs: bytes) -> None:
        """Store blobs and register them."""
        await self.store.put_batch([(key(blob), blob) for blob in blobs])
        await self.register(*blobs)

    async def register(self, *blobs: bytes) -> None:
        rows = [(ENTITY, digest(blob), BlobLocation(key(blob), 0, len(blob))) for blob in blobs]
        await trio.to_thread.run_sync(self.catalog.register_blobs, rows)

    async def log(self, name: str, *blobs: bytes, entries: Sequence[Entry] = ()) -> bytes:
        """Commit a version with these files, and `entries` as they are; its manifest."""
        files = [Entry(f"file-{number:06}", digest(blob), len(blob)) for number, blob in enumerate(blobs)]
        manifest = b"".join(pack_manifest([*files, *entries]))
        await self.add(*blobs, manifest)
        await self.commit(name, manifest)
        return manifest

    async def commit(self, name: str, manifest: bytes) -> None:
        await trio.to_thread.run_sync(self.catalog.commit, [_head(name, manifest)])


def _head(name: str, manifest: bytes) -> Head:
    return Head(
        uid=1000,
        id=blake3(name.encode() + manifest).digest(16),
        body_hash=bytes(32),
        entity=ENTITY,
        project="vision",
        name=name,
        type="model",
        digest=digest(manifest),
        size=0,
        files=0,
        aliases=(),
        tags=(),
        description=None,
        metadata="{}",
        run=None,
        accepted_at=1.0,
    )


class Altered:
    """A `Store` that answers like `inner`, but for what a test replaces."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.get = inner.get
        self.head = inner.head
        self.list: Callable[[str], AsyncGenerator[ObjectInfo, None]] = inner.list
        self.url = inner.url


async def checked(url: str, store: Store | Altered, *, read_data: bool = False) -> Report:
    """A whole check of the catalog at `url` against `store`."""
    async with reading(url) as catalog:
        report = Report(url, store.url, read_data)
        await verify(catalog, store, report)  # type: ignore[arg-type]
    assert report.complete
    return report


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[CatalogReader]:
    with closing(await trio.to_thread.run_sync(CatalogReader.open, url)) as catalog:
        yield catalog


def found(report: Report) -> list[tuple[str, str, list[str]]]:
    """Kind, digest and versions of each finding."""
    return [(str(finding.kind), finding.digest, finding.versions) for finding in report.findings.kept]
