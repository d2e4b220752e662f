"""Request bodies that go from our buffer to the socket without a copy.

botocore wants a file-like body while it builds and signs a request; aiohttp wants a `Payload` when it sends
it. `Body` is the first and is swapped for the second at the last moment.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable
from socket import IPPROTO_TCP, TCP_INFO
from typing import Any, NoReturn

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

__all__ = ["Body", "swap_body"]

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


class _Slices(Payload):
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
        slow = False
        for start in range(0, len(self._value), _SLICE):
            slow |= await self._push(writer, writer.write(self._value[start : start + _SLICE]))
        if slow:
            await self._settle(writer)

    async def _push(self, writer: Any, taken: Awaitable[None]) -> bool:
        """Wait until the transport has room again, as long as the peer takes anything; whether that took long."""
        slow = False
        while True:
            acked = _acknowledged(writer.transport)
            try:
                async with asyncio.timeout(STALL_TIMEOUT):
                    await taken
                return slow
            except TimeoutError:
                if _acknowledged(writer.transport) == acked:
                    raise
            # The slice is in the transport's hands; only the wait for room was given up.
            taken, slow = writer.drain(), True

    async def _settle(self, writer: Any) -> None:
        """Let the kernel's buffer empty: the time in which the answer must come begins when we are done."""
        acked = -1
        while (now := _acknowledged(writer.transport)) != acked:
            acked = now
            await asyncio.sleep(_SETTLE_SECONDS)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> NoReturn:
        raise NotImplementedError("the body is binary")

    def seek(self, *_: object) -> int:
        """For botocore's retries, which rewind the body they find on the request."""
        return 0


def _acknowledged(transport: asyncio.Transport | None) -> int:
    """The bytes that the peer's kernel has taken so far on this connection, under TLS as well."""
    socket = None if transport is None else transport.get_extra_info("socket")
    if socket is None:
        return -1
    info = socket.getsockopt(IPPROTO_TCP, TCP_INFO, _BYTES_ACKED.size)
    acked: int = _BYTES_ACKED.unpack(info)[0]
    return acked


def swap_body(request: Any, **_: Any) -> None:
    """Handler of `before-send.s3`."""
    if isinstance(request.body, Body):
        request.body = _Slices(request.body.data)
