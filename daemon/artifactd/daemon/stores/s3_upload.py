"""Objects that go to S3 in one request each, on the asyncio loop.

Every byte is read once, into the buffer that is sent, and hashed there: what the digest is compared with is
what leaves. Attempts at one request are few and bounded; more of them are the caller's policy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from awscrt.checksums import crc64nvme

from artifactd.daemon.stores.asyncio_bridge import in_thread
from artifactd.daemon.stores.base import Kind, Source, StoreError, check_key
from artifactd.daemon.stores.s3_attempts import Attempts
from artifactd.daemon.stores.s3_buffers import Buffers
from artifactd.daemon.stores.s3_checksums import read_and_hash
from artifactd.daemon.stores.s3_gate import Gate
from artifactd.daemon.stores.s3_requests import Requests
from artifactd.daemon.stores.sources import IdentityHash

__all__ = ["SMALL_PUTS", "Uploads"]

SMALL_PUTS = 32
"""Objects sent in one request each that are in flight at once."""

_AMBIGUOUS = frozenset({Kind.UNKNOWN_OUTCOME, Kind.CONFLICT})
"""Failures of a PUT that took effect: its answer was lost, or its repetition found what it had written itself."""


class Uploads:
    """The single PUTs of one store, within its memory and its share of requests."""

    def __init__(self, requests: Requests, gate: Gate, attempts: Attempts, buffers: Buffers) -> None:
        self._requests = requests
        self._gate = gate
        self._attempts = attempts
        self._buffers = buffers
        self._small = asyncio.Semaphore(SMALL_PUTS)

    async def put_whole(self, key: str, source: Source, digest: str) -> None:
        """Send an object in one request, after its digest was found right."""
        buffer = await self._buffers.lease(source.size)
        try:
            identity = IdentityHash()
            crc = await in_thread(read_and_hash, source, memoryview(buffer), 0, key, identity)
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
            await self._attempts.persist(lambda _: self._put_once(key, data, crc), frozenset({Kind.CORRUPT}))

    async def _put_once(self, key: str, data: memoryview, crc: int) -> None:
        try:
            await self._gate.run(partial(self._requests.put, key, data, crc))
        except StoreError as error:
            if error.kind not in _AMBIGUOUS or not await self._requests.took_effect(key, len(data), crc):
                raise
