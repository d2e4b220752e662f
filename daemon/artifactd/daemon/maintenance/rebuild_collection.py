"""One collection out of its records: the newest has the head, and the newest that has a version the version."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import trio

from artifactd.daemon.catalog.outbox.encoding import DamagedRecord, Record, decode_aliases
from artifactd.daemon.catalog.outbox.forms import Alias, CollectionRecord
from artifactd.daemon.catalog.rebuilding import Link, Rebuilding
from artifactd.daemon.maintenance.rebuild_listing import Listing, Stream
from artifactd.daemon.maintenance.rebuild_report import Report
from artifactd.daemon.maintenance.records_fetching import fetch, key_of, read_record
from artifactd.daemon.stores.base import Store
from artifactd.protocol.errors import InvalidRequest

__all__ = ["RebuiltCollection"]

MAX_OBJECTS = 16
MAX_BYTES = 16 << 20
"""What is fetched at once of one collection, but for the first object of each turn."""


class RebuiltCollection:
    """Takes in a collection's records, the newest first. `links` is left to do when all collections are there."""

    def __init__(self, store: Store, catalog: Rebuilding, report: Report, stream: Stream) -> None:
        self._store = store
        self._catalog = catalog
        self._report = report
        self._stream = stream
        self._head: _Head | None = None
        self._seen: set[int] = set()
        self.links: list[Link] = []

    async def run(self, listed: Sequence[Listing]) -> None:
        """Write all of the collection that can be read. Raises `StoreError` and `CatalogUnavailable`."""
        for some in _turns(listed):
            records: dict[Listing, Record] = {}
            async with trio.open_nursery() as nursery:
                for listing in some:
                    nursery.start_soon(self._read, listing, records)
            for listing in some:
                if listing in records:
                    await self._try(listing, self._add(listing, records[listing]))
        if self._head is not None:
            await self._complete(self._head)

    async def _read(self, listing: Listing, records: dict[Listing, Record]) -> None:
        try:
            records[listing] = await read_record(self._store, self._stream, listing)
            self._report.records += 1
        except DamagedRecord as error:
            self._report.problem(key_of(self._stream, listing), str(error))

    async def _add(self, listing: Listing, record: Record) -> None:
        assert isinstance(record, CollectionRecord)
        if self._head is None:
            id = self._catalog.new_id(record)
            await trio.to_thread.run_sync(partial(self._catalog.add_collection, id, record))
            self._head = _Head(id, listing, record)
            self._report.collections += 1
        id = self._head.id
        fresh = [version for version in record.versions if version.number not in self._seen]
        numbers = {version.number for version in fresh}
        commits = [commit for commit in record.commits if commit.number in self._seen | numbers]
        await trio.to_thread.run_sync(partial(self._catalog.add_versions, id, record, fresh, commits))
        self._seen |= numbers
        self._report.versions += len(fresh)
        self.links += [(id, version.number, version.source) for version in fresh if version.source is not None]
        if lost := len(record.commits) - len(commits):
            raise DamagedRecord(f"has {lost} commits of versions that are in no record")

    async def _complete(self, head: _Head) -> None:
        """What needs all versions to be there: aliases, and the number of the next one."""
        record = head.record
        await self._try(head.listing, self._add_aliases(head.id, record.aliases))
        for digest in record.pages:
            page = head.listing._replace(digest=digest)
            await self._try(page, self._add_page(head.id, page), page=True)
        if self._seen:
            await trio.to_thread.run_sync(partial(self._catalog.raise_next_version, head.id, max(self._seen)))
        if (missing := record.next_version - len(self._seen)) > 0:
            where = f"{record.entity}/{record.project}/{record.name}"
            self._report.problem(where, f"{missing} versions are in no record that can be read")

    async def _add_page(self, id: int, listing: Listing) -> None:
        data = await fetch(self._store, key_of(self._stream, listing, page=True))
        await self._add_aliases(id, decode_aliases(data, listing.digest).aliases)

    async def _add_aliases(self, id: int, aliases: Sequence[Alias]) -> None:
        known = [alias for alias in aliases if alias.number in self._seen]
        await trio.to_thread.run_sync(partial(self._catalog.add_aliases, id, known))
        if lost := len(aliases) - len(known):
            raise DamagedRecord(f"{lost} aliases point to versions that are in no record")

    async def _try(self, listing: Listing, work: Awaitable[object], *, page: bool = False) -> None:
        """Do what belongs to one object; what is wrong with it is reported."""
        try:
            await work
        except (DamagedRecord, InvalidRequest) as error:
            self._report.problem(key_of(self._stream, listing, page=page), str(error))


class _Head(NamedTuple):
    """The collection as it is being written, with the record that has its head."""

    id: int
    listing: Listing
    record: CollectionRecord


def _turns(listed: Sequence[Listing]) -> Iterator[list[Listing]]:
    """Cut what is there into turns of bounded size."""
    turn: list[Listing] = []
    size = 0
    for listing in listed:
        if turn and (len(turn) == MAX_OBJECTS or size + listing.size > MAX_BYTES):
            yield turn
            turn, size = [], 0
        turn.append(listing)
        size += listing.size
    yield turn
