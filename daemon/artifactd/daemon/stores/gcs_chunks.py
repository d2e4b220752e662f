"""One large object through its session: chunk after chunk, the next one read while this one is sent."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from awscrt.checksums import crc32c

from artifactd.daemon.crashpoints import Point, reach
from artifactd.daemon.stores.asyncio_bridge import in_thread
from artifactd.daemon.stores.base import Kind, Source, StoreError
from artifactd.daemon.stores.gcs_answers import Stored
from artifactd.daemon.stores.gcs_session import Progress, Sessions
from artifactd.daemon.stores.retry import delay
from artifactd.daemon.stores.s3_buffers import Buffers
from artifactd.daemon.stores.sources import IdentityHash, read_exactly

__all__ = ["Chunks", "Hashes"]

_ATTEMPTS = 4
"""Failures in a row, without a byte of progress, until they are the caller's."""
_RETRIED = frozenset({Kind.TRANSIENT, Kind.THROTTLED, Kind.UNKNOWN_OUTCOME})


class Hashes:
    """The digest, and in `crc` the CRC32C, of what was read so far in the order of the file."""

    def __init__(self) -> None:
        self._identity = IdentityHash()
        self.crc = 0

    def read(self, source: Source, buffer: memoryview, offset: int, key: str) -> None:
        """Fill `buffer` from `offset` on. Blocking: for worker threads. Raises `CORRUPT`."""
        read_exactly(source, buffer, offset, key, self._update)

    def _update(self, piece: memoryview) -> None:
        self._identity.update(piece)
        self.crc = crc32c(piece, self.crc)

    def check(self, key: str, digest: str) -> None:
        """Raise `CORRUPT` unless what was read is `digest`."""
        self._identity.check(key, digest)


@dataclass(slots=True)
class _Chunk:
    """Bytes of the source from `start` to `end`; the buffer is leased, and clean while no request failed."""

    buffer: bytearray
    start: int
    end: int
    clean: bool = True

    def rest(self, offset: int) -> memoryview:
        return memoryview(self.buffer)[offset - self.start : self.end - self.start]


@dataclass(frozen=True, slots=True)
class _Upload:
    key: str
    session: str
    source: Source
    hashes: Hashes


class Chunks:
    """Sends chunks that end at multiples of `chunk_size`, within a budget of buffers."""

    def __init__(self, sessions: Sessions, buffers: Buffers, chunk_size: int) -> None:
        self._sessions = sessions
        self._buffers = buffers
        self._chunk_size = chunk_size

    async def put(
        self, key: str, session: str, source: Source, digest: str, hashes: Hashes, *, resumed: bool
    ) -> Stored:
        """Send what is missing and return the object; `hashes` are of all of `source` then.

        The caller compares what is stored. Raises `StoreError`, `CORRUPT` if the source is not `digest`.
        """
        upload = _Upload(key, session, source, hashes)
        progress = Progress(0)
        if resumed:
            progress = await self._sessions.progress(key, session, source.size)
        await self.skip(key, source, progress.persisted, hashes)
        if progress.stored is not None:
            hashes.check(key, digest)
            return progress.stored
        chunk = await self._read(upload, progress.persisted)
        while chunk.end < source.size:
            chunk = await self._send_and_read(upload, chunk)
        try:
            hashes.check(key, digest)
            stored = (await self._send(upload, chunk)).stored
        finally:
            self._buffers.release(chunk.buffer, reusable=chunk.clean)
        reach(Point.PARTS_SENT)
        assert stored is not None
        return stored

    async def skip(self, key: str, source: Source, size: int, hashes: Hashes) -> None:
        """Hash the first `size` bytes."""
        buffer = await self._buffers.lease(self._chunk_size)
        try:
            for start in range(0, size, self._chunk_size):
                data = memoryview(buffer)[: size - start]
                await in_thread(hashes.read, source, data, start, key)
        finally:
            self._buffers.release(buffer, reusable=True)

    async def _read(self, upload: _Upload, start: int) -> _Chunk:
        end = min(start - start % self._chunk_size + self._chunk_size, upload.source.size)
        buffer = await self._buffers.lease(self._chunk_size)
        chunk = _Chunk(buffer, start, end)
        try:
            await in_thread(upload.hashes.read, upload.source, chunk.rest(start), start, upload.key)
        except BaseException:
            self._buffers.release(buffer, reusable=True)
            raise
        return chunk

    async def _send_and_read(self, upload: _Upload, chunk: _Chunk) -> _Chunk:
        """Send one chunk, whose lease ends here, and return the next."""
        reading: asyncio.Task[_Chunk] | None = None
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._read(upload, chunk.end))
                try:
                    await self._send(upload, chunk)
                finally:
                    self._buffers.release(chunk.buffer, reusable=chunk.clean)
        except BaseException as error:
            if reading and not reading.cancelled() and reading.exception() is None:
                self._buffers.release(reading.result().buffer, reusable=True)
            if isinstance(error, ExceptionGroup):
                # The first failure cancelled the other; it alone is the reason.
                raise error.exceptions[0] from None
            raise
        return reading.result()

    async def _send(self, upload: _Upload, chunk: _Chunk) -> Progress:
        """Send a chunk until the server has all of it, asking it how far it got whenever an answer is lost."""
        offset, failures, lost = chunk.start, 0, False
        while True:
            try:
                progress = await self._ask(upload, chunk, None if lost else offset)
            except StoreError as error:
                # A request that was cut off may still have slices queued in its transport.
                chunk.clean = False
                failures, lost = failures + 1, True
                await _pause(error, failures)
                continue
            if progress.stored or (progress.persisted >= chunk.end < upload.source.size):
                reach(Point.MID_PART)
                return progress
            behind = StoreError(Kind.TRANSIENT, "send", upload.key, "the server does not keep what it is sent")
            if progress.persisted < chunk.start:
                raise behind
            if progress.persisted > offset:
                failures = 0
            elif not lost:
                failures += 1
                await _pause(behind, failures)
            offset, lost = progress.persisted, False

    async def _ask(self, upload: _Upload, chunk: _Chunk, offset: int | None) -> Progress:
        key, session, size = upload.key, upload.session, upload.source.size
        if offset is None:
            return await self._sessions.progress(key, session, size)
        if chunk.end < size:
            return await self._sessions.send(key, session, chunk.rest(offset), offset, size)
        return await self._sessions.finish(key, session, chunk.rest(offset), offset, size, upload.hashes.crc)


async def _pause(error: StoreError, failures: int) -> None:
    """Wait before the next attempt, or raise `error` if there is none."""
    seconds = delay(error.kind, failures, random.random()) if error.kind in _RETRIED else None
    if seconds is None or failures == _ATTEMPTS:
        raise error
    await asyncio.sleep(seconds)
