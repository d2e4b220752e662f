"""The two ways an object gets to S3, on the asyncio loop: in one request, or part by part.

Every byte is read once, into the buffer that is sent, and hashed there: what the digest is compared with is
what leaves. Attempts at one request are few and bounded; more of them are the caller's policy.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from awscrt.checksums import combine_crc64nvme, crc64nvme

from artifactd.daemon.crashpoints import Point, reach
from artifactd.daemon.stores.asyncio_bridge import in_thread
from artifactd.daemon.stores.base import Kind, Source, StoreError, check_key
from artifactd.daemon.stores.s3_buffers import Buffers
from artifactd.daemon.stores.s3_options import S3Options, part_size_for
from artifactd.daemon.stores.s3_requests import Part, Requests
from artifactd.daemon.stores.sources import IdentityHash, read_exactly

__all__ = ["SMALL_PUTS", "Uploads"]

T = TypeVar("T")

SMALL_PUTS = 32
"""Objects sent in one request each that are in flight at once."""

_ATTEMPTS = 4
_FIRST_PAUSE = 0.1
"""Seconds before the second attempt; each further pause is twice as long, all with jitter."""
_RETRIED = frozenset({Kind.TRANSIENT, Kind.THROTTLED, Kind.CORRUPT, Kind.UNKNOWN_OUTCOME})


class Uploads:
    """The uploads of one store, within one budget of memory and connections."""

    def __init__(self, requests: Requests, options: S3Options) -> None:
        self._requests = requests
        self._part_size = options.part_size
        self._buffers = Buffers(options.part_size, options.part_size * options.concurrency)
        self._small = asyncio.Semaphore(SMALL_PUTS)

    async def put_whole(self, key: str, source: Source, digest: str) -> None:
        """Send an object in one request, after its digest was found right."""
        buffer = await self._buffers.lease(source.size)
        try:
            identity = IdentityHash()
            crc = await in_thread(_read, source, memoryview(buffer), 0, key, identity)
            identity.check(key, digest)
            await self._put(key, memoryview(buffer), crc)
        finally:
            self._buffers.release(buffer, reusable=False)

    async def put_many(self, items: Sequence[tuple[str, bytes | memoryview]]) -> list[StoreError | None]:
        """Send small objects; one outcome each, in order."""
        outcomes: list[StoreError | None] = [None] * len(items)
        left = iter(enumerate(items))

        async def send() -> None:
            for index, (key, data) in left:
                outcomes[index] = await self._outcome(key, data)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(SMALL_PUTS, len(items))):
                group.create_task(send())
        return outcomes

    async def _outcome(self, key: str, data: bytes | memoryview) -> StoreError | None:
        view = memoryview(data).cast("B")
        try:
            await self._put(check_key("put", key), view, crc64nvme(view, 0))
        except StoreError as error:
            return error
        return None

    async def _put(self, key: str, data: memoryview, crc: int) -> None:
        async with self._small:
            await _persist(lambda _: self._put_once(key, data, crc), frozenset({Kind.CORRUPT}))

    async def _put_once(self, key: str, data: memoryview, crc: int) -> None:
        try:
            await self._requests.put(key, data, crc)
        except StoreError as error:
            if error.kind is not Kind.UNKNOWN_OUTCOME or not await self._took_effect(key, len(data)):
                raise

    async def put_parts(self, key: str, upload_id: str, source: Source, digest: str) -> None:
        """Send all parts of a created multipart upload, check the digest, and complete it."""
        identity = IdentityHash()
        try:
            async with asyncio.TaskGroup() as group:
                sending = await self._send_parts(group, key, upload_id, source, identity)
                identity.check(key, digest)
        except ExceptionGroup as errors:
            # The first failure cancelled the other parts; it alone is the reason.
            raise errors.exceptions[0] from None
        parts = [task.result() for task in sending]
        reach(Point.PARTS_SENT)
        await _persist(lambda _: self._complete(key, upload_id, parts), _RETRIED - {Kind.CORRUPT})

    async def _send_parts(
        self, group: asyncio.TaskGroup, key: str, upload_id: str, source: Source, identity: IdentityHash
    ) -> list[asyncio.Task[Part]]:
        """Read part after part, in file order for the hash, while those before it are on their way."""
        size = part_size_for(source.size, self._part_size)
        sending = []
        for number, offset in enumerate(range(0, source.size, size), 1):
            buffer = await self._buffers.lease(size)
            data = memoryview(buffer)[: source.size - offset]
            try:
                crc = await in_thread(_read, source, data, offset, key, identity)
            except BaseException:
                self._buffers.release(buffer, reusable=True)
                raise
            sending.append(group.create_task(self._send_part(key, upload_id, number, buffer, len(data), crc)))
        return sending

    async def _send_part(
        self, key: str, upload_id: str, number: int, buffer: bytearray, size: int, crc: int
    ) -> Part:
        first_try = False

        async def send(attempt: int) -> Part:
            nonlocal first_try
            data = memoryview(buffer)[:size]
            part = await self._requests.put_part(key, upload_id, number, data, crc)
            reach(Point.MID_PART)
            first_try = attempt == 1
            return part

        try:
            return await _persist(send, _RETRIED)
        finally:
            # A request that was cut off may still have slices queued in its transport: with other bytes in them,
            # a server that verifies nothing would take those for this part.
            self._buffers.release(buffer, reusable=first_try)

    async def _complete(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        crc, size = 0, 0
        for part in parts:
            crc = combine_crc64nvme(crc, part.crc, part.size)
            size += part.size
        try:
            vouched = await self._requests.complete(key, upload_id, parts, crc)
        except StoreError as error:
            # Also a 5xx, and an upload id that is unknown by now, can mean that it was completed.
            if error.kind not in _RETRIED - {Kind.CORRUPT} or not await self._took_effect(key, size):
                raise
            return
        if not vouched and not await self._is_stored(key, size):
            raise StoreError(Kind.CORRUPT, "complete", key, "the stored object has another size")

    async def _took_effect(self, key: str, size: int) -> bool:
        """Look after an answer was lost. Where looking fails as well, the outcome stays unknown."""
        try:
            return await self._is_stored(key, size)
        except StoreError:
            return False

    async def _is_stored(self, key: str, size: int) -> bool:
        found = await self._requests.head(key)
        return found is not None and found.size == size


async def _persist(attempt: Callable[[int], Awaitable[T]], kinds: frozenset[Kind]) -> T:
    """Await `attempt(number)`, again after failures of these kinds, at most `_ATTEMPTS` times."""
    for number in range(1, _ATTEMPTS):
        try:
            return await attempt(number)
        except StoreError as error:
            if error.kind not in kinds:
                raise
        await asyncio.sleep(_FIRST_PAUSE * 2 ** (number - 1) * random.uniform(0.5, 1.5))
    return await attempt(_ATTEMPTS)


def _read(source: Source, buffer: memoryview, offset: int, key: str, identity: IdentityHash) -> int:
    """Fill `buffer` in a worker thread, feed `identity`, and return the CRC64NVME."""
    crc = 0

    def visit(piece: memoryview) -> None:
        nonlocal crc
        identity.update(piece)
        crc = crc64nvme(piece, crc)

    read_exactly(source, buffer, offset, key, visit)
    return crc
