"""What lies in the bucket: blobs, as they are listed, and the records of each collection and run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import NamedTuple

from artifactd.daemon.catalog.records import BlobLocation
from artifactd.daemon.stores.base import ObjectInfo, Store
from artifactd.daemon.stores.keys import BlobKey, RecordKey, parse_blob_key, parse_record_key

__all__ = ["Blob", "Listed", "Listing", "Stream", "list_bucket"]

BATCH = 1_000
"""Blobs of one transaction."""

Blob = tuple[str, str, BlobLocation]
"""Entity, digest, and where it lies."""


class Stream(NamedTuple):
    """A collection or a run: `kind` is `collection` or `run`, `name` then the run's id."""

    kind: str
    entity: str
    project: str
    name: str


class Listing(NamedTuple):
    """A record of a stream: its revision, the digest of its object, and that object's size in bytes."""

    revision: int
    digest: str
    size: int


class Listed(NamedTuple):
    """The records of every stream, the newest first; the highest revision of all, the highest epoch of a blob."""

    streams: dict[Stream, list[Listing]]
    strange: list[str]
    """Keys among the records that are none of theirs."""
    revision: int
    epoch: int


async def list_bucket(store: Store, found: Callable[[list[Blob]], Awaitable[object]]) -> Listed:
    """List all there is, giving blobs away in batches. Raises `StoreError`; then all is to be listed again.

    About 200 bytes of memory are kept for each record.
    """
    streams: dict[Stream, list[Listing]] = {}
    strange: list[str] = []
    revision = epoch = 0
    async with aclosing(store.list("")) as listing, aclosing(_batches(listing)) as batches:
        async for batch in batches:
            await found(_newest_blobs(batch))
            epoch = max([epoch, *(blob.epoch for info in batch if (blob := parse_blob_key(info.key)))])
            for info in batch:
                key = parse_record_key(info.key)
                if key is None:
                    if info.key.split("/")[1:2] == ["records"]:
                        strange.append(info.key)
                    continue
                revision = max(revision, key.revision)
                if not key.page:
                    streams.setdefault(_stream(key), []).append(Listing(key.revision, key.digest, info.size))
    for records in streams.values():
        records.sort(reverse=True)
    return Listed(streams, strange, revision, epoch)


async def _batches(listing: AsyncIterator[ObjectInfo]) -> AsyncGenerator[list[ObjectInfo], None]:
    """Cut it into batches that keep the keys of one blob together."""
    batch: list[ObjectInfo] = []
    last = None
    async for info in listing:
        blob = parse_blob_key(info.key)
        identity = None if blob is None else (blob.entity, blob.digest)
        if len(batch) >= BATCH and (identity is None or identity != last):
            yield batch
            batch = []
        batch.append(info)
        last = identity
    yield batch


def _newest_blobs(batch: list[ObjectInfo]) -> list[Blob]:
    newest: dict[tuple[str, str], tuple[BlobKey, ObjectInfo]] = {}
    for info in batch:
        key = parse_blob_key(info.key)
        if key is None:
            continue
        known = newest.get((key.entity, key.digest))
        if known is None or known[0].epoch < key.epoch:
            newest[key.entity, key.digest] = key, info
    return [(key.entity, key.digest, BlobLocation(info.key, 0, info.size)) for key, info in newest.values()]


def _stream(key: RecordKey) -> Stream:
    return Stream(key.kind, key.entity, key.project, key.name)
