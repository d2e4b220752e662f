"""One blob from the store into a file: resumed where it broke off, retried by the kind of error, verified."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import trio

from artifactd.daemon.catalog.records import BlobLocation
from artifactd.daemon.downloads.ranges import RANGE, FilePrefix, fetch_ranges, surely_there
from artifactd.daemon.stores.base import Kind, Store, StoreError
from artifactd.daemon.stores.retry import delay
from artifactd.protocol.errors import ArtifactdError, CorruptDownload, OutOfSpace
from artifactd.protocol.manifest import digest_hex

__all__ = ["FULL", "Blob", "Transfer"]

MAX_ATTEMPTS = 6
_AT_ONCE = 16

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
    """Fetches from one store, in so many streams at once; a large blob takes several of them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._free = trio.CapacityLimiter(_AT_ONCE)

    async def fetch(self, blob: Blob, fd: int) -> None:
        """Complete the file `fd`, which holds nothing or what an earlier fetch left, and check its digest.

        Raises `CorruptDownload`, `OutOfSpace` when the disk of `fd` is full, and `ArtifactdError` when the
        store does not deliver; what has arrived stays in the file, for the next fetch. `fd` remains the caller's.
        """
        attempt = 0
        while await self._fill(blob, fd) != blob.digest:
            attempt += 1
            os.ftruncate(fd, 0)
            wrong = "the bytes in the store are not what its digest says"
            await _pause(StoreError(Kind.CORRUPT, "get", blob.digest, wrong), attempt, blob.digest)

    async def _fill(self, blob: Blob, fd: int) -> str:
        """Bring what is missing and return the digest of the whole."""
        prefix = FilePrefix(fd, blob.size)
        start = surely_there(os.fstat(fd).st_size, blob.size)
        if blob.size <= RANGE:
            await self._stream(blob, fd, start, blob.size)
            return await trio.to_thread.run_sync(prefix.digest_up_to, blob.size)
        return await fetch_ranges(partial(self._stream, blob, fd), prefix, start, blob.size)

    async def _stream(self, blob: Blob, fd: int, start: int, end: int) -> None:
        """Bring the bytes from `start` to `end`, from where they broke off for as long as they get further."""
        where = blob.location
        attempt, best = 0, start
        async with self._free:
            with _at(fd, start) as own:
                while (arrived := os.lseek(own, 0, os.SEEK_CUR)) < end:
                    try:
                        offset = where.offset + arrived
                        await self._store.get(where.key, own, offset=offset, length=end - arrived)
                        # If they were fewer, the digest will tell.
                        return
                    except StoreError as error:
                        if error.kind is Kind.CORRUPT:
                            os.lseek(own, start, os.SEEK_SET)
                        arrived = os.lseek(own, 0, os.SEEK_CUR)
                        attempt = attempt + 1 if arrived <= best else 1
                        best = max(best, arrived)
                        await _pause(error, attempt, blob.digest)


@contextmanager
def _at(fd: int, offset: int) -> Iterator[int]:
    """A descriptor of the same file with a position of its own."""
    own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.lseek(own, offset, os.SEEK_SET)
        yield own
    finally:
        os.close(own)


async def _pause(error: StoreError, attempt: int, digest: str) -> None:
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in FULL:
        raise OutOfSpace("the disk is full", subject=digest, remedy="free space on the daemon's disk") from error
    seconds = delay(error.kind, attempt, random.random())
    if seconds is None or attempt >= MAX_ATTEMPTS:
        kind = CorruptDownload if error.kind is Kind.CORRUPT else ArtifactdError
        raise kind(f"the store did not deliver it: {error.reason}", subject=digest) from error
    await trio.sleep(seconds)
