"""Request bodies that go from our buffer to the socket without a copy.

botocore wants a file-like body while it builds and signs a request; aiohttp wants a `Payload` when it sends
it. `Body` is the first and is swapped for the second at the last moment.
"""

from __future__ import annotations

import asyncio
import struct
from socket import IPPROTO_TCP, TCP_INFO
from typing import Any, NoReturn

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

__all__ = ["Body", "Slices", "swap_body"]

_SLICE = 256 << 10
"""Bytes handed to the transport at once: it sends or queues a slice without copying it."""
STALL_TIMEOUT = 60.0
"""Seconds in which the peer must take something; the SDK's own read timeout only starts after the last byte."""
_SETTLE_SECONDS = 1.0
_BYTES_ACKED = struct.Struct("=120xQ")
"""Where Linux's `struct tcp_info` has `tcpi_bytes_acked`."""


class Body:
    """What botocore validates and measures. It never reads it: the payload is not signed."""

    def __init__(self, data: memoryview) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def read(self, *_: object) -> NoReturn:
        raise NotImplementedError("the body is sent from memory, never read")

    def seek(self, *_: object) -> int:
        return 0

    def tell(self) -> int:
        return 0


class Slices(Payload):
    """What aiohttp sends, once: a body that was begun is not sent again by itself.

    aiohttp repeats an idempotent request after a lost connection, in silence. That would write an object twice
    where nobody counts it; every repetition is to be ours, after a look at what the first attempt did.
    """

    _autoclose = True

    def __init__(self, data: memoryview) -> None:
        super().__init__(data, content_type="application/octet-stream")
        self._size = len(data)

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self._consumed = True
        watch = _Watch(writer)
        try:
            for start in range(0, len(self._value), _SLICE):
                await writer.write(self._value[start : start + _SLICE])
            if watch.slow:
                await watch.settle()
        except BaseException:
            watch.abort()
            raise
        finally:
            watch.stop()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> NoReturn:
        raise NotImplementedError("the body is binary")

    def seek(self, *_: object) -> int:
        """For botocore's retries, which rewind the body they find on the request."""
        return 0


class _Watch:
    """Cuts a connection off whose peer has taken nothing for `STALL_TIMEOUT`: slow is not dead."""

    def __init__(self, writer: Any) -> None:
        self._transport: asyncio.Transport | None = writer.transport
        self._loop = asyncio.get_running_loop()
        self._acked = _acknowledged(self._transport)
        self._timer = self._loop.call_later(STALL_TIMEOUT, self._look)
        self.slow = False
        """Whether it took so long that it had to look."""

    def _look(self) -> None:
        acked = _acknowledged(self._transport)
        if acked == self._acked:
            self.abort()
            return
        self._acked, self.slow = acked, True
        self._timer = self._loop.call_later(STALL_TIMEOUT, self._look)

    def abort(self) -> None:
        """Drop the connection with what is queued in it; merely closed, it would try to send that for ever."""
        if self._transport is not None:
            self._transport.abort()

    async def settle(self) -> None:
        """Let the kernel's buffer empty: the time in which the answer must come begins afterwards."""
        acked = -1
        while (now := _acknowledged(self._transport)) != acked:
            acked = now
            await asyncio.sleep(_SETTLE_SECONDS)

    def stop(self) -> None:
        self._timer.cancel()


def _acknowledged(transport: asyncio.Transport | None) -> int:
    """The bytes that the peer's kernel has taken so far on this connection, also under TLS; -1 if it is gone."""
    socket = None if transport is None else transport.get_extra_info("socket")
    try:
        info = socket.getsockopt(IPPROTO_TCP, TCP_INFO, _BYTES_ACKED.size) if socket else b""
    except OSError:
        info = b""
    acked: int = _BYTES_ACKED.unpack(info)[0] if info else -1
    return acked


def swap_body(request: Any, **_: Any) -> None:
    """Handler of `before-send.s3`."""
    if isinstance(request.body, Body):
        request.body = Slices(request.body.data)
