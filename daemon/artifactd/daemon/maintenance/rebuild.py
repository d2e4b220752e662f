"""A catalog out of the bucket alone: blobs as they are listed, collections and runs out of their records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

import trio

from artifactd.daemon.catalog.outbox.encoding import DamagedRecord, decode_inputs
from artifactd.daemon.catalog.outbox.forms import RunRecord, VersionAddress
from artifactd.daemon.catalog.rebuilding import Link, Rebuilding
from artifactd.daemon.maintenance.rebuild_collection import RebuiltCollection
from artifactd.daemon.maintenance.rebuild_listing import Blob, Listed, Listing, Stream, list_bucket
from artifactd.daemon.maintenance.rebuild_report import Report
from artifactd.daemon.maintenance.records_fetching import fetch, key_of, read_record, repeat
from artifactd.daemon.stores.base import Store
from artifactd.protocol.errors import InvalidRequest

__all__ = ["rebuild"]

STREAMS = 16
"""Collections, or runs, that are read at once."""
LINKS = 1_000
"""Links of one transaction."""


async def rebuild(store: Store, catalog: Rebuilding, report: Report, step: Callable[[str], object]) -> None:
    """Fill `catalog` and `report`, telling `step` what is being done; what is damaged is left out.

    Raises `StoreError` and `CatalogUnavailable` when one of them does not answer: then the catalog stays closed,
    and is to be rebuilt again.
    """
    step("listing the bucket")
    listed = await repeat(partial(_list, store, catalog, report))
    for key in listed.strange:
        report.problem(key, "is no record's key")
    collections = {stream: found for stream, found in listed.streams.items() if stream.kind == "collection"}
    runs = {stream: found for stream, found in listed.streams.items() if stream.kind == "run"}
    links: list[Link] = []

    async def collection(stream: Stream, found: Sequence[Listing]) -> None:
        rebuilt = RebuiltCollection(store, catalog, report, stream)
        await rebuilt.run(found)
        links.extend(rebuilt.links)

    step(f"reading {len(collections)} collections")
    await _each(collections.items(), collection)
    step(f"reading {len(runs)} runs")
    await _links(catalog, report, links)
    await _each(runs.items(), partial(_run, store, catalog, report))
    await trio.to_thread.run_sync(catalog.finish, listed.revision, listed.epoch)


async def _list(store: Store, catalog: Rebuilding, report: Report) -> Listed:
    report.blobs = 0

    async def add(blobs: list[Blob]) -> None:
        await trio.to_thread.run_sync(catalog.add_blobs, blobs)
        report.blobs += len(blobs)

    return await list_bucket(store, add)


async def _each(
    streams: Iterable[tuple[Stream, list[Listing]]], work: Callable[[Stream, list[Listing]], Awaitable[None]]
) -> None:
    """Do the work of all streams, a few at a time."""
    room = trio.Semaphore(STREAMS)

    async def do(stream: Stream, found: list[Listing]) -> None:
        await work(stream, found)
        room.release()

    async with trio.open_nursery() as nursery:
        for stream, found in streams:
            await room.acquire()
            nursery.start_soon(do, stream, found)


async def _links(catalog: Rebuilding, report: Report, links: Sequence[Link]) -> None:
    for start in range(0, len(links), LINKS):
        missing = await trio.to_thread.run_sync(catalog.add_links, links[start : start + LINKS])
        for *_, source in missing:
            report.problem(_label(source), "is in no record, so a link to it is a version by itself now")


async def _run(
    store: Store, catalog: Rebuilding, report: Report, stream: Stream, found: Sequence[Listing]
) -> None:
    """Write a run as its newest record has it that can be read."""
    for listing in found:
        try:
            record = await read_record(store, stream, listing)
            assert isinstance(record, RunRecord)
            await trio.to_thread.run_sync(catalog.add_run, record)
        except (DamagedRecord, InvalidRequest) as error:
            report.problem(key_of(stream, listing), str(error))
            continue
        report.records += 1
        report.runs += 1
        await _inputs(catalog, report, record, record.inputs)
        for digest in record.pages:
            page = key_of(stream, listing._replace(digest=digest), page=True)
            try:
                inputs = decode_inputs(await fetch(store, page), digest).inputs
                await _inputs(catalog, report, record, inputs)
            except (DamagedRecord, InvalidRequest) as error:
                report.problem(page, str(error))
        return


async def _inputs(
    catalog: Rebuilding, report: Report, record: RunRecord, inputs: Sequence[VersionAddress]
) -> None:
    for version in await trio.to_thread.run_sync(catalog.add_inputs, record, inputs):
        report.problem(_label(version), f"is in no record, but the run {record.name} used it")


def _label(version: VersionAddress) -> str:
    return f"{version.entity}/{version.project}/{version.name}:v{version.number}"
