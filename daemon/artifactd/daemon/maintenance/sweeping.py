"""The second half of a sweep: condemn what nothing refers to, delete what has been condemned for long enough."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

import trio
from sqlalchemy import ColumnElement

from artifactd.daemon.catalog.collecting import CONDEMNED, DOOMED, UNCONDEMNED, CollectedBlob
from artifactd.daemon.catalog.collector import Collector
from artifactd.daemon.maintenance.marks import Marks
from artifactd.daemon.maintenance.patience import catalog_call, list_objects, patiently
from artifactd.daemon.stores.base import ObjectInfo, Store
from artifactd.daemon.stores.keys import blobs_prefix, parse_blob_key

__all__ = ["Count", "Sweep", "Swept"]

_DELETIONS = 16
"""Objects that are deleted at once."""
_LISTED = 1_000


@dataclass(slots=True)
class Count:
    """How many blobs or objects, and how many bytes they have together."""

    count: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        self.count += 1
        self.bytes += size


@dataclass(slots=True)
class Swept:
    """What sweeps did, or in a dry run would do."""

    needed: Count = field(default_factory=Count)
    condemned: Count = field(default_factory=Count)
    """Nothing refers to them, and somebody may still be relying on them."""
    deleted: Count = field(default_factory=Count)
    orphans: Count = field(default_factory=Count)
    """Objects that no row names, deleted too."""


class Sweep:
    """One entity's. `horizon` was asked for before the marks were set; with `dry` nothing is changed."""

    def __init__(
        self,
        collector: Collector,
        store: Store,
        entity: str,
        *,
        marks: Marks,
        horizon: int,
        dry: bool,
        swept: Swept,
    ) -> None:
        self._collector = collector
        self._store = store
        self._entity = entity
        self._marks = marks
        self._horizon = horizon
        self._dry = dry
        self._swept = swept

    async def run(self) -> None:
        """Delete what may go, condemn what nothing refers to. Raises `StoreError`, `CatalogUnavailable`.

        It may be interrupted anywhere: the next sweep goes on.
        """
        await self._for_pages(CONDEMNED, self._judge)
        await self._for_pages(DOOMED, self._delete)
        await self._for_pages(UNCONDEMNED, self._condemn)
        await self._delete_orphans()

    async def _for_pages(
        self, which: ColumnElement[bool], act: Callable[[Sequence[CollectedBlob]], Awaitable[None]]
    ) -> None:
        last = ""
        while page := await catalog_call(partial(self._collector.page_of, self._entity, last, which)):
            await act(page)
            last = page[-1].digest

    async def _judge(self, page: Sequence[CollectedBlob]) -> None:
        """Spare what is needed after all, and doom what nobody can be relying on."""
        needed, unneeded = await self._parted(page)
        ripe = [blob for blob in unneeded if blob.condemned is not None and blob.condemned < self._horizon]
        for blob in needed:
            self._swept.needed.add(blob.location.length)
        for blob in unneeded:
            if blob not in ripe:
                self._swept.condemned.add(blob.location.length)
        if self._dry:
            for blob in ripe:
                self._swept.deleted.add(blob.location.length)
            return
        await catalog_call(partial(self._collector.spare, self._entity, [blob.digest for blob in needed]))
        await catalog_call(
            partial(self._collector.doom, self._entity, [blob.digest for blob in ripe], self._horizon)
        )

    async def _delete(self, page: Sequence[CollectedBlob]) -> None:
        if not self._dry:
            await self._delete_objects([blob.location.key for blob in page])
            await catalog_call(partial(self._collector.forget, self._entity, page))
        for blob in page:
            self._swept.deleted.add(blob.location.length)

    async def _condemn(self, page: Sequence[CollectedBlob]) -> None:
        needed, unneeded = await self._parted(page)
        for blob in needed:
            self._swept.needed.add(blob.location.length)
        for blob in unneeded:
            self._swept.condemned.add(blob.location.length)
        if unneeded and not self._dry:
            await catalog_call(partial(self._collector.condemn, self._entity, [blob.digest for blob in unneeded]))

    async def _parted(self, page: Sequence[CollectedBlob]) -> tuple[list[CollectedBlob], list[CollectedBlob]]:
        marked = await trio.to_thread.run_sync(self._marks.among, [blob.digest for blob in page])
        needed = [blob for blob in page if blob.digest in marked]
        return needed, [blob for blob in page if blob.digest not in marked]

    async def _delete_orphans(self) -> None:
        """Objects that no row names: uploads that were never registered, or in vain, and late ones of the dead."""
        listed: dict[str, tuple[str, ObjectInfo]] = {}
        async with aclosing(list_objects(self._store, blobs_prefix(self._entity))) as objects:
            async for info in objects:
                parsed = parse_blob_key(info.key)
                # Younger ones may be on their way into the catalog.
                if parsed is None or parsed.epoch >= self._horizon:
                    continue
                listed[info.key] = parsed.digest, info
                if len(listed) == _LISTED:
                    await self._delete_nameless(listed)
                    listed.clear()
        await self._delete_nameless(listed)

    async def _delete_nameless(self, listed: dict[str, tuple[str, ObjectInfo]]) -> None:
        digests = sorted({digest for digest, _ in listed.values()})
        rows = await catalog_call(partial(self._collector.find, self._entity, digests))
        named = {row.location.key for row in rows}
        nameless = [info for key, (_, info) in listed.items() if key not in named]
        if not self._dry:
            await self._delete_objects([info.key for info in nameless])
        for info in nameless:
            self._swept.orphans.add(info.size)

    async def _delete_objects(self, keys: Sequence[str]) -> None:
        limit = trio.CapacityLimiter(_DELETIONS)

        async def delete(key: str) -> None:
            async with limit:
                await patiently(partial(self._store.delete, key))

        async with trio.open_nursery() as nursery:
            for key in keys:
                nursery.start_soon(delete, key)
