"""Memory for uploads: bounded, reused while uploads follow each other, given back when they stop."""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["Buffers"]


class Buffers:
    """Leases of at most `budget` bytes together, granted in the order in which they are asked for.

    A lease larger than the whole budget is granted when nothing else is out. Buffers of `part_size` bytes are
    kept for the next lease as long as any lease is out. For use on one asyncio loop.
    """

    def __init__(self, part_size: int, budget: int) -> None:
        self._part_size = part_size
        self._budget = budget
        self._out = 0
        self._free: list[bytearray] = []
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def lease(self, size: int) -> bytearray:
        """Wait for room and return a buffer of `size` bytes, with whatever an earlier lease left in it."""
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, granted))
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if not granted.cancelled():
                self._out -= size
            self._grant()
            raise
        return self._free.pop() if self._free and size == self._part_size else bytearray(size)

    def release(self, buffer: bytearray, *, reusable: bool) -> None:
        """Give a buffer back; `reusable` if no abandoned request can still be sending from it."""
        self._out -= len(buffer)
        if reusable and len(buffer) == self._part_size:
            self._free.append(buffer)
        self._grant()
        if not self._out:
            self._free.clear()

    def _grant(self) -> None:
        while self._waiting:
            size, granted = self._waiting[0]
            if granted.done():
                self._waiting.popleft()
            elif not self._out or self._out + size <= self._budget:
                self._waiting.popleft()
                self._out += size
                granted.set_result(None)
            else:
                return
