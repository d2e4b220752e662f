"""The body of a large download straight from its socket into a file, by a thread of its own.

On the loop each piece is copied twice by the HTTP parser and crosses to a worker thread to be written. But behind
the head of an answer with a Content-Length nothing is left to parse: a thread that goes back and forth between the
socket and the file takes less of the processors, and next to nothing of the interpreter's lock.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

import aiohttp

from artifactd.daemon.stores.asyncio_bridge import in_own_thread
from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.os_errors import WRITE_SIZE, os_errors

__all__ = ["Write", "receive"]

Write = Callable[[Sequence[bytes | memoryview]], int]
"""Writes all of the pieces, in a thread, and returns how many bytes they had."""

_WORTH_A_THREAD = 1 << 20


async def receive(response: aiohttp.ClientResponse, write: Write, key: str) -> int:
    """Write the body, if it comes as it is from its socket and is long; return the bytes written.

    Nothing is read of one that is encrypted, or short, or of unknown length, and 0 returned. Otherwise all of it
    is written, and the connection can be used again. What came before `StoreError` is raised is written as well.
    """
    connection, content = response.connection, response.content
    size = response.content_length or 0
    if connection is None or size - content.total_bytes < _WORTH_A_THREAD or content.exception() is not None:
        return 0
    transport, protocol = connection.transport, connection.protocol
    if transport is None or protocol is None or transport.get_extra_info("ssl_object") is not None:
        return 0
    # Nothing arrives between this and the pause: both happen in one turn of the loop.
    parsed = content.read_nowait(-1)
    left = size - content.total_bytes
    protocol.pause_reading()
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as own:
        own.settimeout(protocol.read_timeout)
        await in_own_thread(_receive, own, parsed, left, write, key, interrupt=lambda: _cut_off(own))
    # The parser did not see the end; the next request brings a new one.
    content.feed_eof()
    return len(parsed) + left


def _receive(own: socket.socket, parsed: bytes, left: int, write: Write, key: str) -> None:
    with os_errors("get", key):
        write([parsed])
    buffer = memoryview(bytearray(min(WRITE_SIZE, left)))
    while left:
        filled, failure = _fill(own, buffer[:left])
        with os_errors("get", key):
            write([buffer[:filled]])
        if failure is not None:
            raise StoreError(Kind.TRANSIENT, "get", key, str(failure)) from failure
        left -= filled


def _fill(own: socket.socket, buffer: memoryview) -> tuple[int, OSError | None]:
    """How many bytes have arrived, and what ended them before they were enough."""
    filled = 0
    try:
        while filled < len(buffer):
            got = own.recv_into(buffer[filled:])
            if not got:
                return filled, ConnectionResetError("the server closed the connection in the middle of the body")
            filled += got
    except OSError as error:
        return filled, error
    return filled, None


def _cut_off(own: socket.socket) -> None:
    with suppress(OSError):
        own.shutdown(socket.SHUT_RDWR)
