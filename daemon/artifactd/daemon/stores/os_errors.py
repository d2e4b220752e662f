"""What an `OSError` means for a retry, decided in one place for every store."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from artifactd.daemon.stores.base import Kind, StoreError

__all__ = ["WRITE_SIZE", "os_errors", "write_all", "write_pieces"]

_KINDS = {
    errno.ENOENT: Kind.NOT_FOUND,
    errno.EACCES: Kind.DENIED,
    errno.EPERM: Kind.DENIED,
    errno.EROFS: Kind.DENIED,
    # A key that is also the directory of other keys, or lies below an object.
    errno.EISDIR: Kind.CONFLICT,
    errno.ENOTDIR: Kind.CONFLICT,
    errno.EEXIST: Kind.CONFLICT,
    errno.ENOTEMPTY: Kind.CONFLICT,
    errno.ENAMETOOLONG: Kind.PERMANENT,
    errno.EINVAL: Kind.PERMANENT,
    errno.EFBIG: Kind.PERMANENT,
    errno.EBADF: Kind.PERMANENT,
}
"""Everything else may pass: a full disk is cleared, a mount comes back, descriptors are freed."""

WRITE_SIZE = 256 << 10
"""Bytes of one write, at most. For a larger one Linux looks for larger pieces of memory: that took up to five
times as long."""
_turn = threading.Lock()
"""Threads that write to one file at once spin in the kernel until it is theirs; one alone outruns any network."""


@contextmanager
def os_errors(operation: str, key: str) -> Iterator[None]:
    """Turn an `OSError` of the body into a `StoreError` of the right kind."""
    try:
        yield
    except OSError as error:
        kind = _KINDS.get(error.errno or 0, Kind.TRANSIENT)
        if kind is Kind.CONFLICT and operation != "put":
            # A reader finds no object where a directory is, nor anything below an object.
            kind = Kind.NOT_FOUND
        raise StoreError(kind, operation, key, error.strerror or str(error)) from error


def write_all(fd: int, data: memoryview) -> int:
    """Write the whole of `data` at the descriptor's position. Blocking: for worker threads."""
    written = 0
    while written < len(data):
        written += os.write(fd, data[written : written + WRITE_SIZE])
    return written


def write_pieces(fd: int, pieces: Sequence[bytes | memoryview]) -> int:
    """Write all of `pieces` one after the other at the descriptor's position. Blocking: for worker threads."""
    with _turn:
        return sum(write_all(fd, memoryview(piece)) for piece in pieces)
