"""Other people's objects on their way into a file, on the asyncio loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from artifactd.daemon.stores.asyncio_bridge import in_thread
from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.os_errors import os_errors, write_all

__all__ = ["drain"]

_WRITE_SIZE = 1 << 20
"""Bytes that are gathered for one write in a worker thread."""


async def drain(read: Callable[[int], Awaitable[bytes]], fd: int, *, limit: int, uri: str) -> int:
    """Write what `read` gives, until it gives nothing, to `fd`; returns the bytes.

    Raises `StoreError` of kind `CONFLICT` when there are more than `limit`.
    """
    total, held, pieces = 0, 0, []
    while True:
        piece = await read(_WRITE_SIZE)
        pieces.append(piece)
        held += len(piece)
        if total + held > limit:
            raise StoreError(Kind.CONFLICT, "get", uri, f"it has more than {limit} bytes")
        if held >= _WRITE_SIZE or not piece:
            with os_errors("get", uri):
                total += await in_thread(write_all, fd, memoryview(b"".join(pieces)))
            held, pieces = 0, []
        if not piece:
            return total
