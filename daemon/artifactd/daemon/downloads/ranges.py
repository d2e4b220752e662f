"""A large blob in ranges, several on their way at once, and hashed as its beginning grows.

Ranges are begun in order, and none before those `WINDOW` bytes in front of it are there. So whatever ended an
earlier fetch, a kill included, all but the last `WINDOW` bytes of its file are surely the blob's.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

import trio
from blake3 import blake3

from artifactd.protocol.errors import ArtifactdError
from artifactd.protocol.manifest import digest_of

__all__ = ["RANGE", "WINDOW", "FilePrefix", "fetch_ranges", "surely_there"]

RANGE = 32 << 20
"""Bytes of one range, at most; a blob of up to so many is fetched as one."""
WINDOW = 8 * RANGE
_CHUNK = 4 << 20
"""Bytes read before they are hashed: enough to be shared out among threads, and still in the processor's cache."""
_THREADS = 2
"""So many hash a blob that comes in ranges, and so keep up with them."""


def surely_there(arrived: int, size: int) -> int:
    """How many bytes at the beginning of a file of `arrived` bytes an earlier fetch of `size` has completed."""
    return arrived if size <= RANGE else max(0, min(arrived, size) - WINDOW)


class FilePrefix:
    """The hash of a file's beginning, which grows to `size`. The caller keeps `fd` open."""

    def __init__(self, fd: int, size: int) -> None:
        self._fd = fd
        self._hash = blake3(max_threads=1 if size <= RANGE else _THREADS)
        self._done = 0

    def digest_up_to(self, end: int) -> str:
        """Hash on to `end`, or the file's end before it, and return the digest so far. Blocks: for a thread."""
        buffer = memoryview(bytearray(min(_CHUNK, max(0, end - self._done))))
        while read := os.preadv(self._fd, [buffer[: end - self._done]], self._done):
            self._hash.update(buffer[:read])
            self._done += read
        return digest_of(self._hash.digest())


class _Progress:
    """Which ranges are there: decides when the next may begin, and how far the hash may go."""

    def __init__(self, start: int) -> None:
        self.prefix = start
        self._beyond: dict[int, int] = {}
        self._changed = trio.Event()

    def arrived(self, start: int, end: int) -> None:
        self._beyond[start] = end
        while (reached := self._beyond.pop(self.prefix, None)) is not None:
            self.prefix = reached
            self._changed.set()
            self._changed = trio.Event()

    async def wait_for(self, position: int) -> None:
        """Wait until everything up to `position` is there."""
        while self.prefix < position:
            await self._changed.wait()


async def fetch_ranges(
    fetch: Callable[[int, int], Awaitable[None]], prefix: FilePrefix, start: int, size: int
) -> str:
    """Have `fetch(start, end)` bring all ranges from `start` on, and return the digest of the `size` bytes.

    The first `ArtifactdError` of a range ends the others and is raised.
    """
    progress = _Progress(start)
    failures: list[ArtifactdError] = []
    digest = ""

    async def bring(start: int, end: int) -> None:
        try:
            await fetch(start, end)
        except ArtifactdError as error:
            failures.append(error)
            nursery.cancel_scope.cancel()
        else:
            progress.arrived(start, end)

    async def hash_on() -> None:
        nonlocal digest
        hashed = -1
        while hashed < size:
            await progress.wait_for(hashed + 1)
            hashed = progress.prefix
            digest = await trio.to_thread.run_sync(prefix.digest_up_to, hashed)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hash_on)
        for first in range(start, size, RANGE):
            end = min(first + RANGE, size)
            await progress.wait_for(end - WINDOW)
            nursery.start_soon(bring, first, end)
    if failures:
        raise failures[0]
    return digest
