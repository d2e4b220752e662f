"""Every blob of the catalog against the store: is there an object, of the right size, with the right bytes?"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

import trio

from artifactd.daemon.catalog.pages import BlobRow
from artifactd.daemon.catalog.reader import CatalogReader
from artifactd.daemon.maintenance.contents import read_problem
from artifactd.daemon.maintenance.findings import Problem, judge
from artifactd.daemon.maintenance.joining import merge
from artifactd.daemon.maintenance.patience import catalog_call, list_objects, patiently
from artifactd.daemon.maintenance.report import Report
from artifactd.daemon.stores.base import ObjectInfo, Store
from artifactd.daemon.stores.keys import blobs_prefix

__all__ = ["BlobCheck"]

_WORKERS = 8
"""Blobs that are looked at more closely at once, each with a piece in memory."""

_Suspect = tuple[BlobRow, ObjectInfo | None]


class BlobCheck:
    """The rows of each entity are merged with the listing of its prefix; what does not fit is looked at again.

    A listing and a page of rows are of different moments, so only what a fresh row and a HEAD say counts.
    """

    def __init__(self, catalog: CatalogReader, store: Store, report: Report) -> None:
        self._catalog = catalog
        self._store = store
        self._report = report

    async def run(self) -> None:
        """Add what is wrong to the report. Raises `CatalogUnavailable` and `StoreError`: one is out of reach."""
        async with trio.open_nursery() as nursery:
            send, receive = trio.open_memory_channel[_Suspect](_WORKERS)
            async with send, receive:
                for _ in range(_WORKERS):
                    nursery.start_soon(self._work, receive.clone())
                for entity in await catalog_call(self._catalog.entities):
                    await self._compare(entity, send)

    async def _compare(self, entity: str, suspects: trio.MemorySendChannel[_Suspect]) -> None:
        checked = self._report.checked
        async with (
            aclosing(self._rows(entity)) as rows,
            aclosing(list_objects(self._store, blobs_prefix(entity))) as objects,
            aclosing(merge(rows, objects)) as pairs,
        ):
            async for row, info in pairs:
                if row is None:
                    assert info is not None
                    checked.orphans += 1
                    checked.orphan_bytes += info.size
                    continue
                if self._report.read_data or judge(row.location, info) is not None:
                    await suspects.send((row, info))
                checked.blobs += 1
                checked.bytes += row.location.length

    async def _rows(self, entity: str) -> AsyncGenerator[BlobRow, None]:
        last = ""
        while page := await catalog_call(partial(self._catalog.blobs, entity, last)):
            for row in page:
                yield row
            last = page[-1].digest

    async def _work(self, suspects: trio.MemoryReceiveChannel[_Suspect]) -> None:
        async with suspects:
            async for row, info in suspects:
                await self._check(row, info)

    async def _check(self, row: BlobRow, info: ObjectInfo | None) -> None:
        if await self._problem(row, info) is None:
            return
        known = await catalog_call(partial(self._catalog.known_blobs, row.entity, {row.digest}))
        location = known.get(row.digest)
        if location is None:
            return
        fresh = BlobRow(row.entity, row.digest, location)
        problem = await self._problem(fresh, await patiently(partial(self._store.head, location.key)))
        if problem is not None:
            self._report.findings.add(problem, row.entity, row.digest, location.key)

    async def _problem(self, row: BlobRow, info: ObjectInfo | None) -> Problem | None:
        problem = judge(row.location, info)
        if problem is not None or not self._report.read_data:
            return problem
        problem = await read_problem(self._store, row.digest, row.location)
        self._report.checked.read += row.location.length
        return problem
