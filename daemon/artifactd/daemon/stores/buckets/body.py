"""A request body of several pieces, sent once from where they lie, to a peer that may be slow but not dead."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from socket import IPPROTO_TCP, TCP_INFO
from typing import Any, NoReturn

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

__all__ = ["Pieces"]

_SLICE = 256 << 10
"""Bytes handed to the transport at once: it sends or queues a slice without copying it."""
_SETTLE_SECONDS = 1.0
_BYTES_ACKED = struct.Struct("=120xQ")
"""Where Linux's `struct tcp_info` has `tcpi_bytes_acked`."""


class Pieces(Payload):
    """What aiohttp sends, once, to a peer that takes something in every `stall_timeout` seconds.

    aiohttp would repeat an idempotent request after a lost connection, in silence and from its first byte: an
    object might be written twice where nobody counts it, and of a chunk the server may have kept much. Every
    repetition is to be ours, after a look at what the first attempt did.
    """

    _autoclose = True

    def __init__(self, pieces: Sequence[bytes | memoryview], content_type: str, stall_timeout: float) -> None:
        super().__init__(pieces, content_type=content_type)
        self._size = sum(map(len, pieces))
        self._stall_timeout = stall_timeout

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self._consumed = True
        watch = _Watch(writer, self._stall_timeout)
        try:
            for piece in self._value:
                for start in range(0, len(piece), _SLICE):
                    await writer.write(piece[start : start + _SLICE])
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
        """For botocore, which rewinds the body of a request before it makes another one."""
        return 0


class _Watch:
    """Cuts a connection off whose peer has taken nothing for `timeout` seconds: slow is not dead."""

    def __init__(self, writer: Any, timeout: float) -> None:
        self._transport: asyncio.Transport | None = writer.transport
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._acked = _acknowledged(self._transport)
        self._timer = self._loop.call_later(timeout, self._look)
        self.slow = False
        """Whether it took so long that it had to look."""

    def _look(self) -> None:
        acked = _acknowledged(self._transport)
        if acked == self._acked:
            self.abort()
            return
        self._acked, self.slow = acked, True
        self._timer = self._loop.call_later(self._timeout, self._look)

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
