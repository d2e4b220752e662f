"""One blob from the store into a file: resumed where it broke off, retried by the kind of error, verified."""

from __future__ import annotations

import errno
import os
import random
from typing import NamedTuple

import trio
from blake3 import blake3

from artifactd.daemon.catalog.records import BlobLocation
from artifactd.daemon.stores.base import Kind, Store, StoreError
from artifactd.daemon.stores.retry import delay
from artifactd.protocol.errors import ArtifactdError, CorruptDownload, OutOfSpace
from artifactd.protocol.manifest import digest_hex, digest_of

__all__ = ["FULL", "Blob", "Transfer"]

MAX_ATTEMPTS = 6
_AT_ONCE = 16
_CHUNK = 1 << 20

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Blob(NamedTuple):
    """A blob that somebody asked for, and where the store has it."""

    digest: str
    location: BlobLocation

    @property
    def name(self) -> str:
        return digest_hex(self.digest)

    @property
    def size(self) -> int:
        return self.location.length


class Transfer:
    """Fetches from one store, so many at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._free = trio.CapacityLimiter(_AT_ONCE)

    async def fetch(self, blob: Blob, fd: int) -> None:
        """Complete the file `fd`, which holds nothing or the blob's beginning, and check the digest of it all.

        Raises `CorruptDownload`, `OutOfSpace` when the disk of `fd` is full, and `ArtifactdError` when the
        store does not deliver; what has arrived stays in the file. `fd` remains the caller's.
        """
        attempt = best = 0
        async with self._free:
            while True:
                try:
                    await self._go_on(blob, fd)
                    return
                except StoreError as error:
                    arrived = os.fstat(fd).st_size
                    if error.kind is Kind.CORRUPT:
                        os.ftruncate(fd, 0)
                    # As long as it gets further, it may break off as often as it likes.
                    attempt = attempt + 1 if arrived <= best or error.kind is Kind.CORRUPT else 1
                    best = max(best, arrived)
                    await _pause(error, attempt, blob.digest)

    async def _go_on(self, blob: Blob, fd: int) -> None:
        where = blob.location
        arrived = os.lseek(fd, 0, os.SEEK_END)
        if arrived < where.length:
            await self._store.get(where.key, fd, offset=where.offset + arrived, length=where.length - arrived)
        await trio.to_thread.run_sync(_verify, fd, blob.digest)


async def _pause(error: StoreError, attempt: int, digest: str) -> None:
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in FULL:
        raise OutOfSpace("the disk is full", subject=digest, remedy="free space on the daemon's disk") from error
    seconds = delay(error.kind, attempt, random.random())
    if seconds is None or attempt >= MAX_ATTEMPTS:
        kind = CorruptDownload if error.kind is Kind.CORRUPT else ArtifactdError
        raise kind(f"the store did not deliver it: {error.reason}", subject=digest) from error
    await trio.sleep(seconds)


def _verify(fd: int, digest: str) -> None:
    hash = blake3()
    offset = 0
    while piece := os.pread(fd, _CHUNK, offset):
        hash.update(piece)
        offset += len(piece)
    if digest_of(hash.digest()) != digest:
        raise StoreError(Kind.CORRUPT, "get", digest, "the bytes in the store are not what its digest says")
