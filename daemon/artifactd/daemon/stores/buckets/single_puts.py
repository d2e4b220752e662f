"""Objects that go to a bucket in one request each, on the asyncio loop.

Every byte is read once, into the buffer that is sent, and hashed there: what the digest is compared with is what
leaves. Damage on the way is sent again a few times; all else is the caller's policy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from artifactd.daemon.stores.asyncio_bridge import in_thread
from artifactd.daemon.stores.attempts import Attempts
from artifactd.daemon.stores.base import Kind, Source, StoreError, check_key
from artifactd.daemon.stores.buckets.buffers import Buffers
from artifactd.daemon.stores.gate import Gate
from artifactd.daemon.stores.sources import Checksum, Hashes

__all__ = ["SMALL_PUTS", "SinglePuts"]

SMALL_PUTS = 32
"""Objects sent in one request each that are in flight at once."""

_DAMAGE = frozenset({Kind.CORRUPT})

Put = Callable[[str, memoryview, int], Awaitable[None]]
"""Sends an object: its key, bytes and checksum."""
Settle = Callable[[StoreError, str, int, int], Awaitable[None]]
"""Raises a failure, unless the object of this key, size and checksum is there all the same."""


class SinglePuts:
    """The single PUTs of one store, within its memory and its share of requests."""

    def __init__(
        self, put: Put, settle: Settle, checksum: Checksum, gate: Gate, attempts: Attempts, buffers: Buffers
    ) -> None:
        self._put = put
        self._settle = settle
        self._checksum = checksum
        self._gate = gate
        self._attempts = attempts
        self._buffers = buffers
        self._small = asyncio.Semaphore(SMALL_PUTS)

    async def put(self, key: str, source: Source, digest: str) -> None:
        """Send an object in one request, after its digest was found right."""
        buffer = await self._buffers.lease(source.size)
        try:
            hashes = Hashes(self._checksum)
            await in_thread(hashes.read, source, memoryview(buffer), 0, key)
            hashes.check(key, digest)
            await self._send(key, memoryview(buffer), hashes.checksum)
        finally:
            self._buffers.release(buffer, reusable=False)

    async def put_many(self, items: Sequence[tuple[str, bytes | memoryview]]) -> list[StoreError | None]:
        """Send small objects; one outcome each, in order. Once one is denied no more are sent: all would be."""
        outcomes: list[StoreError | None] = [None] * len(items)
        left = iter(enumerate(items))
        denied: StoreError | None = None

        async def send() -> None:
            nonlocal denied
            for index, (key, data) in left:
                outcomes[index] = error = denied or await self._outcome(key, data)
                if error is not None and error.kind is Kind.DENIED:
                    denied = error

        async with asyncio.TaskGroup() as group:
            for _ in range(min(SMALL_PUTS, len(items))):
                group.create_task(send())
        return outcomes

    async def _outcome(self, key: str, data: bytes | memoryview) -> StoreError | None:
        view = memoryview(data).cast("B")
        try:
            await self._send(check_key("put", key), view, self._checksum(view, 0))
        except StoreError as error:
            return error
        return None

    async def _send(self, key: str, data: memoryview, checksum: int) -> None:
        # A place for one object at a time: a small batch does not wait for the end of large ones.
        async with self._small:
            await self._attempts.persist(lambda _: self._send_once(key, data, checksum), _DAMAGE)

    async def _send_once(self, key: str, data: memoryview, checksum: int) -> None:
        try:
            await self._gate.run(partial(self._put, key, data, checksum))
        except StoreError as error:
            await self._settle(error, key, len(data), checksum)
