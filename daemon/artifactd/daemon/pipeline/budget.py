"""A bound on the bytes that are held in memory between a read and the end of its upload."""

from __future__ import annotations

from collections import deque

import trio

__all__ = ["ByteBudget"]


class ByteBudget:
    """First come, first served: a large claim is not overtaken for ever by small ones."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._waiting: deque[tuple[int, trio.Event]] = deque()

    async def acquire(self, size: int) -> None:
        """Wait until `size` bytes, at most `total`, are free, and take them. Cancelling takes nothing."""
        await trio.lowlevel.checkpoint()
        if not self._waiting and size <= self._free:
            self._free -= size
            return
        turn = (size, trio.Event())
        self._waiting.append(turn)
        try:
            await turn[1].wait()
        except trio.Cancelled:
            if turn[1].is_set():
                self.release(size)
            else:
                self._waiting.remove(turn)
                self._admit()
            raise

    def release(self, size: int) -> None:
        """Give back what was acquired."""
        self._free += size
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            size, event = self._waiting.popleft()
            self._free -= size
            event.set()
