"""The body of a download on its way into a file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import aiohttp

from artifactd.daemon.stores.asyncio_bridge import in_thread
from artifactd.daemon.stores.base import StoreError
from artifactd.daemon.stores.buckets.receiving import Write, receive
from artifactd.daemon.stores.os_errors import os_errors

__all__ = ["drain", "next_piece"]

_GATHERED = 1 << 20
"""Bytes that are gathered before they cross to a worker thread."""


async def drain(
    response: aiohttp.ClientResponse, read: Callable[[], Awaitable[bytes]], write: Write, key: str
) -> int:
    """Write the body of `response`, of which `read` returns the next piece; return the bytes written.

    What came before `StoreError` is raised is written all the same: the next attempt goes on after it.
    """
    total = await receive(response, write, key)
    while True:
        pieces, failure = await _gather(read)
        if pieces:
            with os_errors("get", key):
                total += await in_thread(write, pieces)
        if failure:
            raise failure
        if not pieces:
            return total


async def _gather(read: Callable[[], Awaitable[bytes]]) -> tuple[list[bytes], StoreError | None]:
    """Pieces for one write, as the network brought them, and what ended them before they were enough."""
    pieces: list[bytes] = []
    held = 0
    try:
        while held < _GATHERED and (piece := await read()):
            pieces.append(piece)
            held += len(piece)
    except StoreError as error:
        return pieces, error
    return pieces, None


async def next_piece(content: aiohttp.StreamReader) -> bytes:
    """The next bytes as the network brought them, without joining any; none at the end of the body."""
    while True:
        piece, _ = await content.readchunk()
        # The end of a chunk of the HTTP encoding may come as a piece of its own, and is empty.
        if piece or content.at_eof():
            return piece
