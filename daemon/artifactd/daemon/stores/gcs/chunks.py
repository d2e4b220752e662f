"""One large object through its session: chunk after chunk, the next one read while this one is sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from artifactd.daemon.crashpoints import Point, reach
from artifactd.daemon.stores.asyncio_bridge import in_thread
from artifactd.daemon.stores.attempts import RETRIED, Attempts
from artifactd.daemon.stores.base import Kind, Source, StoreError
from artifactd.daemon.stores.buckets.buffers import Buffers
from artifactd.daemon.stores.gate import Gate
from artifactd.daemon.stores.gcs.answers import Stored
from artifactd.daemon.stores.gcs.session import Progress, Sessions
from artifactd.daemon.stores.sources import Hashes

__all__ = ["Chunks"]

_RETRIED = RETRIED - {Kind.CORRUPT}
"""The session of a chunk that arrived damaged is of no use any more."""


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

    def __init__(
        self, sessions: Sessions, gate: Gate, attempts: Attempts, buffers: Buffers, chunk_size: int
    ) -> None:
        self._sessions = sessions
        self._gate = gate
        self._attempts = attempts
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
            progress = await self._gate.heed(partial(self._sessions.progress, key, session, source.size))
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
        """Send a chunk until the server has all of it."""
        progress = Progress(chunk.start)
        while progress.stored is None and (progress.persisted < chunk.end or chunk.end == upload.source.size):
            further = partial(self._get_further, upload, chunk, progress.persisted)
            progress = await self._attempts.persist(further, _RETRIED)
        reach(Point.MID_PART)
        return progress

    async def _get_further(self, upload: _Upload, chunk: _Chunk, offset: int, attempt: int) -> Progress:
        """Have the server keep a chunk further than `offset`, after asking it what an earlier attempt did."""
        # A request that is cut off may still have slices queued in its transport.
        clean, chunk.clean = chunk.clean, False
        if attempt > 1:
            progress = await self._gate.run(
                partial(self._sessions.progress, upload.key, upload.session, upload.source.size)
            )
            if progress.stored or progress.persisted > offset:
                return progress
            offset = progress.persisted
        if offset >= chunk.start:
            progress = await self._gate.run(partial(self._send_from, upload, chunk, offset))
            chunk.clean = clean
            if progress.stored or progress.persisted > offset:
                return progress
        raise StoreError(Kind.TRANSIENT, "send", upload.key, "the server does not keep what it is sent")

    async def _send_from(self, upload: _Upload, chunk: _Chunk, offset: int) -> Progress:
        key, session, size, data = upload.key, upload.session, upload.source.size, chunk.rest(offset)
        if chunk.end < size:
            return await self._sessions.send(key, session, data, offset, size)
        return await self._sessions.finish(key, session, data, offset, size, upload.hashes.checksum)
