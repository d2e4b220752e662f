"""The rows of a table in the making: in memory while they are few, then in a file without a name."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Protocol

from artifactd.client._tables.cells import Cell, decode
from artifactd.client._tables.files import FileRange
from artifactd.protocol.errors import InvalidRequest

__all__ = ["RowSpool", "Rows"]

_BUFFER = 1 << 20
"""Bytes kept in memory before they go to the file."""


class Rows(Protocol):
    """Rows in their order, read as often as wanted: what is there when reading begins."""

    def __len__(self) -> int: ...

    def lines(self) -> Iterator[bytes]:
        """Each row as `encode` made it."""

    def rows(self) -> Iterator[list[Cell]]:
        """Each row as a new list."""


class RowSpool:
    """Rows that are appended one by one, as lines. Memory stays bounded, however many there are.

    The file is made in the directory for temporary files (`TMPDIR`) and goes away with this object. Not
    locked: one thread at a time appends or begins to read.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._file: FileRange | None = None
        self._count = 0
        self._pid = os.getpid()

    def __len__(self) -> int:
        return self._count

    def append(self, line: bytes) -> None:
        """Add one row. Raises `OSError` on a full disk, `InvalidRequest` in a forked child."""
        if os.getpid() != self._pid:
            raise InvalidRequest(
                "the table was begun before this process was forked, and belongs to its parent",
                remedy="make a table in each process",
            )
        if len(self._buffer) >= _BUFFER:
            self._flush()
        self._buffer += line
        self._buffer += b"\n"
        self._count += 1

    def lines(self) -> Iterator[bytes]:
        written: Iterable[bytes] = () if self._file is None else self._file.reader()
        return (line[:-1] for line in chain(written, io.BytesIO(bytes(self._buffer))))

    def rows(self) -> Iterator[list[Cell]]:
        return map(decode, self.lines())

    def _flush(self) -> None:
        if self._file is None:
            fd, path = tempfile.mkstemp(prefix="artifactd-table-")
            os.unlink(path)
            self._file = FileRange(fd, 0, 0)
        done = 0
        with memoryview(self._buffer) as view:
            while done < len(view):
                done += os.pwrite(self._file.fd, view[done:], self._file.size + done)
        self._file.size += done
        self._buffer.clear()
