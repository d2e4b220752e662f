"""Every live version: is its manifest there and right, and does the catalog have all that it lists?"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from functools import partial
from itertools import islice

import trio

from artifactd.daemon.catalog.pages import VersionRow
from artifactd.daemon.catalog.reader import CatalogReader
from artifactd.daemon.catalog.records import BlobLocation
from artifactd.daemon.maintenance.contents import read_problem
from artifactd.daemon.maintenance.findings import Kind, Problem, about_manifest
from artifactd.daemon.maintenance.patience import catalog_call, patiently
from artifactd.daemon.maintenance.report import Report
from artifactd.daemon.stores.base import Store
from artifactd.daemon.stores.keys import blob_key
from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.manifest import Entry, read_manifest

__all__ = ["ManifestCheck"]

_WORKERS = 8
"""Manifests that are fetched at once, each with at most a block of its entries in memory."""

_STEP = 2_000
"""Entries that are looked up in the catalog at a time."""


class ManifestCheck:
    """Comes after the check of blobs, and tells its findings which versions they affect."""

    def __init__(self, catalog: CatalogReader, store: Store, report: Report) -> None:
        self._catalog = catalog
        self._store = store
        self._report = report

    async def run(self) -> None:
        """Add what is wrong to the report. Raises `CatalogUnavailable` and `StoreError`: one is out of reach."""
        async with trio.open_nursery() as nursery:
            send, receive = trio.open_memory_channel[VersionRow](0)
            async with send, receive, aclosing(self._versions()) as versions:
                for _ in range(_WORKERS):
                    nursery.start_soon(self._work, receive.clone())
                async for version in versions:
                    await send.send(version)

    async def _versions(self) -> AsyncGenerator[VersionRow, None]:
        last = (0, 0)
        while page := await catalog_call(partial(self._catalog.versions, last)):
            for version in page:
                yield version
            last = page[-1].collection_id, page[-1].number

    async def _work(self, versions: trio.MemoryReceiveChannel[VersionRow]) -> None:
        async with versions:
            async for version in versions:
                await self._check(version)
                self._report.checked.versions += 1

    async def _check(self, version: VersionRow) -> None:
        if await self._problem(version) is None:
            return
        problem = await self._problem(version)
        if problem is not None and await self._is_live(version):
            key = blob_key(version.entity, version.digest)
            self._report.findings.add(problem, version.entity, version.digest, key)
            self._report.findings.affect(version.entity, {version.digest}, version.address)

    async def _problem(self, version: VersionRow) -> Problem | None:
        """What is wrong with the manifest itself. What is wrong with blobs that it lists is reported."""
        known = await self._known(version.entity, {version.digest})
        if version.digest not in known:
            return await self._unregistered(version.entity, version.digest)
        with tempfile.TemporaryFile() as file:
            problem = await read_problem(self._store, version.digest, known[version.digest], file)
            if problem is not None:
                return about_manifest(problem)
            file.seek(0)
            try:
                await self._check_entries(version, read_manifest(file))
            except InvalidRequest as error:
                return Problem(Kind.CORRUPT_MANIFEST, f"it cannot be read: {error.message}")
        self._report.findings.affect(version.entity, {version.digest}, version.address)
        return None

    async def _check_entries(self, version: VersionRow, entries: Iterator[Entry]) -> None:
        while (step := await trio.to_thread.run_sync(_next_step, entries)) is not None:
            count, needed = step
            missing = needed - (await self._known(version.entity, needed)).keys()
            if missing:
                await self._report_missing(version, missing)
            self._report.findings.affect(version.entity, needed, version.address)
            self._report.checked.entries += count

    async def _report_missing(self, version: VersionRow, digests: set[str]) -> None:
        missing = digests - (await self._known(version.entity, digests)).keys()
        if not await self._is_live(version):
            return
        for digest in sorted(missing):
            problem = await self._unregistered(version.entity, digest)
            self._report.findings.add(problem, version.entity, digest, blob_key(version.entity, digest))

    async def _unregistered(self, entity: str, digest: str) -> Problem:
        info = await patiently(partial(self._store.head, blob_key(entity, digest)))
        there = "there is no object either" if info is None else f"there is an object of {info.size} bytes"
        return Problem(Kind.UNREGISTERED_BLOB, f"the catalog does not have it; {there}")

    async def _known(self, entity: str, digests: set[str]) -> dict[str, BlobLocation]:
        return await catalog_call(partial(self._catalog.known_blobs, entity, digests))

    async def _is_live(self, version: VersionRow) -> bool:
        return await catalog_call(partial(self._catalog.is_live, version))


def _next_step(entries: Iterator[Entry]) -> tuple[int, set[str]] | None:
    """How many entries come next, and the digests of those with contents; None at the end."""
    step = list(islice(entries, _STEP))
    if not step:
        return None
    return len(step), {entry.digest for entry in step if entry.reference is None}
