"""The first half of a sweep: find everything that versions and drafts refer to."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import BinaryIO

import trio

from artifactd.daemon.catalog.collector import Collector
from artifactd.daemon.catalog.records import BlobLocation
from artifactd.daemon.maintenance.contents import read_problem
from artifactd.daemon.maintenance.marks import Marks
from artifactd.daemon.maintenance.patience import catalog_call
from artifactd.daemon.stores.base import Store
from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.manifest import read_manifest

__all__ = ["ManifestUnreadable", "mark"]

_WORKERS = 8


class ManifestUnreadable(Exception):
    """What a live version refers to is not known, so nothing of its entity may be deleted."""


async def mark(
    collector: Collector, store: Store, entity: str, marks: Marks, gone: Collection[tuple[int, int]]
) -> None:
    """Mark all that the entity needs, but for the versions `gone`.

    Raises `ManifestUnreadable`, `StoreError`, `CatalogUnavailable`.
    """

    def roots(drafted: Iterator[str], versions: Iterator[tuple[int, int, str]]) -> None:
        marks.add(drafted)
        marks.add_manifests(digest for *place, digest in versions if tuple(place) not in gone)

    await catalog_call(partial(collector.roots, entity, roots))
    await _Marking(collector, store, entity, marks).run()


class _Marking:
    """Manifests are fetched side by side; their digests go into the set one block after the other."""

    def __init__(self, collector: Collector, store: Store, entity: str, marks: Marks) -> None:
        self._collector = collector
        self._store = store
        self._entity = entity
        self._marks = marks
        self._adding = trio.CapacityLimiter(1)

    async def run(self) -> None:
        last = ""
        while page := await trio.to_thread.run_sync(self._marks.manifests, last, limiter=self._adding):
            await self._read_all(page)
            last = page[-1]

    async def _read_all(self, digests: Sequence[str]) -> None:
        rows = await catalog_call(partial(self._collector.find, self._entity, digests))
        located = {row.digest: row.location for row in rows}
        if lost := set(digests) - located.keys():
            raise ManifestUnreadable(f"the manifest {min(lost)} is not in the catalog's list of blobs")
        send, receive = trio.open_memory_channel[tuple[str, BlobLocation]](0)
        async with trio.open_nursery() as nursery, send, receive:
            for _ in range(_WORKERS):
                nursery.start_soon(self._work, receive.clone())
            for item in located.items():
                await send.send(item)

    async def _work(self, manifests: trio.MemoryReceiveChannel[tuple[str, BlobLocation]]) -> None:
        async with manifests:
            async for digest, location in manifests:
                await self._read(digest, location)

    async def _read(self, digest: str, location: BlobLocation) -> None:
        with tempfile.TemporaryFile() as file:
            problem = await read_problem(self._store, digest, location, file)
            if problem is not None:
                raise ManifestUnreadable(f"the manifest {digest} at {location.key}: {problem.found}")
            file.seek(0)
            try:
                await trio.to_thread.run_sync(self._add, file, limiter=self._adding)
            except InvalidRequest as error:
                raise ManifestUnreadable(f"{digest} at {location.key} is no manifest: {error.message}") from error

    def _add(self, file: BinaryIO) -> None:
        self._marks.add(entry.digest for entry in read_manifest(file) if entry.reference is None)
