"""The two ways an object gets to GCS, on the asyncio loop: in one request, or chunk by chunk in a session.

Every byte is read into the buffer that is sent, and hashed there: what the digest is compared with is what
leaves. Bytes that the server has from an earlier attempt are read and hashed again, and the CRC32C of the whole
that goes with the last chunk makes the server compare them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from awscrt.checksums import crc32c

from artifactd.daemon.stores.asyncio_bridge import in_thread
from artifactd.daemon.stores.base import Kind, Source, StoreError, check_key
from artifactd.daemon.stores.gcs_chunks import Chunks, Hashes
from artifactd.daemon.stores.gcs_options import GCSOptions
from artifactd.daemon.stores.gcs_requests import Requests
from artifactd.daemon.stores.gcs_session import Sessions
from artifactd.daemon.stores.s3_buffers import Buffers

__all__ = ["SMALL_PUTS", "Uploads"]

SMALL_PUTS = 32
"""Objects sent in one request each that are in flight at once."""


class Uploads:
    """The uploads of one store, within one budget of memory and connections."""

    def __init__(self, requests: Requests, sessions: Sessions, options: GCSOptions) -> None:
        self._requests = requests
        self._buffers = Buffers(options.chunk_size, options.chunk_size * options.concurrency)
        self._small = asyncio.Semaphore(SMALL_PUTS)
        self._chunks = Chunks(sessions, self._buffers, options.chunk_size)

    async def put_whole(self, key: str, source: Source, digest: str) -> None:
        """Send an object in one request, after its digest was found right."""
        buffer = await self._buffers.lease(source.size)
        try:
            hashes = Hashes()
            await in_thread(hashes.read, source, memoryview(buffer), 0, key)
            hashes.check(key, digest)
            await self._put(key, memoryview(buffer), hashes.crc)
        finally:
            self._buffers.release(buffer, reusable=False)

    async def put_many(self, items: Sequence[tuple[str, bytes | memoryview]]) -> list[StoreError | None]:
        """Send small objects; one outcome each, in order."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._outcome(key, data)) for key, data in items]
        return [task.result() for task in tasks]

    async def _outcome(self, key: str, data: bytes | memoryview) -> StoreError | None:
        view = memoryview(data).cast("B")
        try:
            await self._put(check_key("put", key), view, crc32c(view))
        except StoreError as error:
            return error
        return None

    async def _put(self, key: str, data: memoryview, crc: int) -> None:
        async with self._small:
            try:
                await self._requests.put(key, data, crc)
            except StoreError as error:
                await self._settle(error, key, len(data), crc)

    async def put_chunks(self, key: str, session: str, source: Source, digest: str, resumed: bool) -> None:
        """Send what the session does not have yet, and check the digest before the last byte of it.

        Raises `StoreError`; `NOT_FOUND` if the session is gone.
        """
        hashes = Hashes()
        try:
            stored = await self._chunks.put(key, session, source, digest, hashes, resumed=resumed)
        except StoreError as error:
            if error.kind is not Kind.CONFLICT:
                raise
            await self._settle(error, key, source.size, hashes.crc)
        else:
            await self._requests.verify(key, stored, source.size, hashes.crc)

    async def compare(self, key: str, source: Source, digest: str, refusal: StoreError) -> None:
        """Return if the object that lies there already, as `refusal` says, is what `source` has, else raise."""
        hashes = Hashes()
        await self._chunks.skip(key, source, source.size, hashes)
        hashes.check(key, digest)
        await self._settle(refusal, key, source.size, hashes.crc)

    async def _settle(self, error: StoreError, key: str, size: int, crc: int) -> None:
        """Raise `error`, unless it came of an equal object that lies under the key: our own, or another's."""
        if error.kind not in (Kind.CONFLICT, Kind.UNKNOWN_OUTCOME):
            raise error
        try:
            found = await self._requests.stat(key)
        except StoreError:
            # Looking failed as well: it stays as it is, and the next attempt sees.
            found = None
        if found is None:
            # Not there, or not there yet: nothing stands against another attempt.
            raise StoreError(Kind.UNKNOWN_OUTCOME, error.operation, key, error.reason) from error
        if (found.size, found.crc) != (size, crc):
            raise StoreError(Kind.CONFLICT, error.operation, key, "another object is there") from error
