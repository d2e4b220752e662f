"""Which blobs go when room is needed: pure."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import NamedTuple

__all__ = ["Found", "oldest"]


class Found(NamedTuple):
    """A file of the cache: `used_at` is when it was last used, in nanoseconds; `size` in bytes."""

    used_at: int
    size: int
    path: str


def oldest(files: Iterable[Found], need: int) -> list[Found]:
    """The files used least recently that together free `need` bytes, or all there are, the oldest first.

    Holds no more of them at once than it returns, however many pass by.
    """
    chosen: list[tuple[int, Found]] = []
    freed = 0
    for file in files:
        heappush(chosen, (-file.used_at, file))
        freed += file.size
        while chosen and freed - chosen[0][1].size >= need:
            freed -= heappop(chosen)[1].size
    return [file for _, file in sorted(chosen, reverse=True)]
