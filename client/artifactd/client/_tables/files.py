"""A range of an open file that any number of readers read, each at its own place."""

from __future__ import annotations

import io
import os
import weakref
from typing import Any, BinaryIO

__all__ = ["FileRange"]

_BUFFER = 256 << 10


class FileRange:
    """The `size` bytes at `start` of the file behind `fd`, which it owns and which may be unlinked already."""

    def __init__(self, fd: int, start: int, size: int) -> None:
        self.fd = fd
        self.start = start
        self.size = size
        weakref.finalize(self, os.close, fd)

    def reader(self, offset: int = 0) -> BinaryIO:
        """A buffered reader of the range as it is now, from `offset` on."""
        return io.BufferedReader(_Reader(self, offset), _BUFFER)


class _Reader(io.RawIOBase):
    # By position, because a descriptor's own place is shared with every other reader and forked process.
    def __init__(self, file: FileRange, offset: int) -> None:
        self._file = file
        self._place = file.start + offset
        self._end = file.start + file.size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with memoryview(buffer)[: max(0, self._end - self._place)] as room:
            count = os.preadv(self._file.fd, [room], self._place) if room else 0
        self._place += count
        return count
