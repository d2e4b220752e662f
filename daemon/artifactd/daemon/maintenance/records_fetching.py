"""Getting the objects of records out of the store, whose contents are hostile until they are checked."""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from artifactd.daemon.catalog.outbox.encoding import MAX_OBJECT, DamagedRecord, Record, decode
from artifactd.daemon.catalog.outbox.forms import RunRecord
from artifactd.daemon.maintenance.rebuild_listing import Listing, Stream
from artifactd.daemon.stores.base import Kind, Store, StoreError
from artifactd.daemon.stores.keys import RecordKey, record_key
from artifactd.daemon.stores.retry import delay

__all__ = ["fetch", "key_of", "read_record", "repeat"]

ATTEMPTS = 8
_LOST = frozenset({Kind.NOT_FOUND, Kind.CORRUPT, Kind.PERMANENT})
"""The object is not there, or is not what it was: the others may be."""

Result = TypeVar("Result")


def key_of(stream: Stream, listing: Listing, *, page: bool = False) -> str:
    """The key of a record's object, or of a page of it."""
    return record_key(RecordKey(*stream, listing.revision, listing.digest, page))


async def read_record(store: Store, stream: Stream, listing: Listing) -> Record:
    """A record that is of this stream. Raises `DamagedRecord`, and `StoreError` if the store does not answer."""
    record = decode(await fetch(store, key_of(stream, listing)), listing.digest)
    kind = "run" if isinstance(record, RunRecord) else "collection"
    if stream != (kind, record.entity, record.project, record.name):
        raise DamagedRecord(f"is of the {kind} {record.entity}/{record.project}/{record.name}")
    return record


async def fetch(store: Store, key: str) -> bytes:
    """An object's bytes. Raises `DamagedRecord` if it is missing or too large, and `StoreError`."""
    try:
        return await repeat(lambda: _get(store, key))
    except StoreError as error:
        if error.kind in _LOST:
            raise DamagedRecord(f"could not be read: {error.reason}") from error
        raise


async def repeat(call: Callable[[], Awaitable[Result]]) -> Result:
    """Repeat a call of a store that does not answer, for about a minute. Raises its last `StoreError`."""
    attempt = 0
    while True:
        try:
            return await call()
        except StoreError as error:
            attempt += 1
            seconds = delay(error.kind, attempt, random.random())
            if seconds is None or attempt >= ATTEMPTS:
                raise
            await trio.sleep(seconds)


async def _get(store: Store, key: str) -> bytes:
    fd = os.memfd_create("record")
    try:
        size = await store.get(key, fd, length=MAX_OBJECT + 1)
        if size > MAX_OBJECT:
            raise DamagedRecord(f"has more than {MAX_OBJECT} bytes")
        return os.pread(fd, size, 0)
    finally:
        os.close(fd)
