"""A request body of several pieces, sent from where they lie."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NoReturn

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

__all__ = ["Pieces"]

_SLICE = 256 << 10
"""Bytes handed to the transport at once: it sends or queues a slice without copying it."""


class Pieces(Payload):
    """What aiohttp sends, once; each slice must be taken within `stall_timeout` seconds.

    aiohttp would repeat a PUT after a lost connection, in silence and from its first byte, of which the server may
    have kept many: it is asked instead.
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
        for piece in self._value:
            for start in range(0, len(piece), _SLICE):
                async with asyncio.timeout(self._stall_timeout):
                    await writer.write(piece[start : start + _SLICE])

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> NoReturn:
        raise NotImplementedError("the body is binary")
