"""What became of a request whose answer was lost, or vouches for nothing: seen by looking, on the asyncio loop."""

from __future__ import annotations

import asyncio
import random
from functools import partial

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.gate import Gate
from artifactd.daemon.stores.retry import delay
from artifactd.daemon.stores.s3.requests import Requests, StoredObject

__all__ = ["Outcomes"]

_AMBIGUOUS = frozenset({Kind.UNKNOWN_OUTCOME, Kind.CONFLICT})
"""Failures of a PUT that took effect: its answer was lost, or its repetition found what it had written itself."""
_LOOKS = 8
_LONGEST_STEP = 3
"""After so many looks the pauses between them grow no more: a server that is late is so by seconds."""


class Outcomes:
    """Looks at objects of one store."""

    def __init__(self, requests: Requests, gate: Gate) -> None:
        self._requests = requests
        self._gate = gate

    async def settle(self, error: StoreError, key: str, size: int, crc: int) -> None:
        """Raise `error` of a PUT, unless it took effect."""
        if error.kind not in _AMBIGUOUS or not await self.took_effect(key, size, crc):
            raise error

    async def took_effect(self, key: str, size: int, crc: int) -> bool:
        """Look once. Where looking fails as well, the outcome stays unknown: False."""
        try:
            found = await self._stat(key)
        except StoreError:
            return False
        return found is not None and found.size == size and found.crc in (None, crc)

    async def confirm(self, key: str, size: int, crc: int) -> None:
        """Look at an object whose upload the server says it has completed.

        Raises `StoreError`: `UNKNOWN_OUTCOME` if it does not show, `CORRUPT` if it is another.
        """
        found = await self.look(key, size)
        if found is None:
            raise StoreError(Kind.UNKNOWN_OUTCOME, "complete", key, "the object is not there")
        if found.size != size or found.crc not in (None, crc):
            raise StoreError(Kind.CORRUPT, "complete", key, "the stored object has another size or checksum")

    async def look(self, key: str, size: int) -> StoredObject | None:
        """What is under the key: looked at again, for some seconds, until it has this size.

        Not every server shows at once what it has just made, and what was completed cannot be completed again.
        """
        found = await self._stat(key)
        for number in range(1, _LOOKS):
            if found is not None and found.size == size:
                break
            await asyncio.sleep(delay(Kind.UNKNOWN_OUTCOME, min(number, _LONGEST_STEP), random.random()) or 0.0)
            found = await self._stat(key)
        return found

    async def _stat(self, key: str) -> StoredObject | None:
        return await self._gate.heed(partial(self._requests.stat, key))
