"""Whose files are hashed and uploaded next: pure, by priority and then by acceptance."""

from __future__ import annotations

import heapq

__all__ = ["Scheduler"]


class Scheduler:
    """Positions that wait for a worker. Higher priority first, then the order of acceptance."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int]] = []
        self._waiting: set[int] = set()

    def add(self, position: int, priority: int) -> None:
        heapq.heappush(self._heap, (-priority, position))
        self._waiting.add(position)

    def remove(self, position: int) -> None:
        """Take a position out that is not to be processed any more; unknown ones are ignored."""
        self._waiting.discard(position)

    def next(self) -> int | None:
        """The position to process now, or None when nobody waits."""
        while self._heap:
            _, position = heapq.heappop(self._heap)
            if position in self._waiting:
                self._waiting.remove(position)
                return position
        return None

    def __len__(self) -> int:
        return len(self._waiting)
