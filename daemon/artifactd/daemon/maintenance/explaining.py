"""`artifactd gc --explain KEY`: why an object of the store is kept, or what it waits for to go."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from functools import partial

import trio

from artifactd.daemon.catalog.collecting import CollectedBlob
from artifactd.daemon.catalog.collector import Collector
from artifactd.daemon.catalog.pages import VersionRow
from artifactd.daemon.catalog.records import BlobLocation
from artifactd.daemon.console import plain
from artifactd.daemon.maintenance.contents import read_problem
from artifactd.daemon.maintenance.opening import open_to_collect
from artifactd.daemon.maintenance.patience import catalog_call
from artifactd.daemon.settings import Settings
from artifactd.daemon.stores.base import Store
from artifactd.daemon.stores.keys import BlobKey, parse_blob_key
from artifactd.protocol.manifest import read_manifest

__all__ = ["explain", "run"]

_FAILED = 1
_NAMED = 20
"""Versions that are named; a blob may be in a million."""


def run(settings: Settings, key: str) -> int:
    """Print why the object is there; 1 if the key is no blob's. Raises what `open_to_collect` and `explain` do."""
    parsed = parse_blob_key(key)
    if parsed is None:
        print(f"{plain(key)}: not the key of a blob, ENTITY/blobs/…, without the store's own prefix")
        return _FAILED

    async def work() -> None:
        async with (
            open_to_collect(settings) as (collector, store),
            aclosing(explain(collector, store, key, parsed)) as reasons,
        ):
            async for reason in reasons:
                print(plain(reason))

    trio.run(work)
    return 0


async def explain(collector: Collector, store: Store, key: str, parsed: BlobKey) -> AsyncGenerator[str, None]:
    """What keeps the object, a sentence each. Reads the manifests of its entity until twenty versions are named.

    Raises `CatalogUnavailable` and `StoreError`. Close it when stopping early.
    """
    rows = await catalog_call(partial(collector.find, parsed.entity, [parsed.digest]))
    horizon = await catalog_call(collector.horizon)
    row = rows[0] if rows else None
    if row is None or row.location.key != key:
        where = "" if row is None else f" (the blob is at {row.location.key})"
        yield f"no row of the catalog names it{where}"
        yield _waits(parsed.epoch, horizon, "an upload that began before may still register it")
    else:
        async with aclosing(_needed_by(collector, store, parsed)) as needs:
            named = 0
            async for need in needs:
                yield need
                named += 1
        if named == 0:
            yield "no live version and no unfinished draft refers to it"
        yield _condemnation(row, horizon)
    for daemon, oldest, silent in await catalog_call(collector.members):
        yield f"daemon {daemon}: its checks reach back to epoch {oldest}; heard {silent:.0f} s ago"


async def _needed_by(collector: Collector, store: Store, wanted: BlobKey) -> AsyncGenerator[str, None]:
    drafted: list[bool] = []

    def roots(digests: Iterator[str], _: Iterator[tuple[int, int, str]]) -> None:
        drafted.append(wanted.digest in digests)

    await catalog_call(partial(collector.roots, wanted.entity, roots))
    if drafted[-1]:
        yield "an unfinished draft has it"
    last, named, paths = (0, 0), 0, dict[str, str | None]()
    while page := await catalog_call(partial(collector.versions, last)):
        last = page[-1].collection_id, page[-1].number
        for version in page:
            if version.entity != wanted.entity:
                continue
            if version.digest not in paths:
                paths[version.digest] = await _place(collector, store, version, wanted.digest)
            if (place := paths[version.digest]) is not None:
                yield f"{version.address} {place}"
                named += 1
            if named == _NAMED:
                yield "… and maybe others"
                return


async def _place(collector: Collector, store: Store, version: VersionRow, digest: str) -> str | None:
    """What the version has it for, None if it has not."""
    if version.digest == digest:
        return "has it as its manifest"
    known = await catalog_call(partial(collector.known_blobs, version.entity, {version.digest}))
    if version.digest not in known:
        return "has a manifest that the catalog does not list, so nothing of its entity is deleted"
    with tempfile.TemporaryFile() as file:
        location: BlobLocation = known[version.digest]
        if await read_problem(store, version.digest, location, file) is not None:
            return "has a manifest that cannot be read, so nothing of its entity is deleted"
        file.seek(0)
        path = await trio.to_thread.run_sync(
            lambda: next((entry.path for entry in read_manifest(file) if entry.digest == digest), None)
        )
    return None if path is None else f"has it as {path}"


def _condemnation(row: CollectedBlob, horizon: int) -> str:
    if row.condemned is None:
        return "it is not condemned"
    return _waits(row.condemned, horizon, "it was condemned then, and a daemon may have found it before")


def _waits(epoch: int, horizon: int, why: str) -> str:
    if epoch < horizon:
        return f"epoch {epoch}, horizon {horizon}: nobody relies on it, the next gc decides"
    return f"epoch {epoch}, horizon {horizon}: {why}; it stays until the horizon is later"
