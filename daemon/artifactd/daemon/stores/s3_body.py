"""Request bodies that go from our buffer to the socket without a copy.

botocore wants a file-like body while it builds and signs a request; aiohttp wants a `Payload` when it sends
it. `Body` is the first and is swapped for the second at the last moment.
"""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

__all__ = ["Body", "Slices", "swap_body"]

_SLICE = 256 << 10
"""Bytes handed to the transport at once: it sends or queues a slice without copying it."""
STALL_TIMEOUT = 60.0
"""Seconds in which a peer must take one slice; the SDK's own read timeout only starts after the last."""


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
    """What aiohttp sends. It can be sent again, as aiohttp does by itself on a stale connection."""

    _autoclose = True

    def __init__(self, data: memoryview) -> None:
        super().__init__(data, content_type="application/octet-stream")
        self._size = len(data)

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        for start in range(0, len(self._value), _SLICE):
            async with asyncio.timeout(STALL_TIMEOUT):
                await writer.write(self._value[start : start + _SLICE])

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> NoReturn:
        raise NotImplementedError("the body is binary")

    def seek(self, *_: object) -> int:
        """For botocore's retries, which rewind the body they find on the request."""
        return 0


def swap_body(request: Any, **_: Any) -> None:
    """Handler of `before-send.s3`."""
    if isinstance(request.body, Body):
        request.body = Slices(request.body.data)
