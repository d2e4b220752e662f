"""A TCP proxy that does to the bytes between client and server what networks do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import trio

__all__ = ["open_proxy"]

Tamper = Callable[[bytes], bytes | None]
"""Sees the bytes of one direction as they pass and returns what goes on; None cuts the connection."""


def unchanged(data: bytes) -> bytes:
    return data


@asynccontextmanager
async def open_proxy(
    endpoint: str, *, upstream: Tamper = unchanged, downstream: Tamper = unchanged
) -> AsyncIterator[str]:
    """Yield an endpoint that forwards to `endpoint`: requests through `upstream`, answers through `downstream`."""
    host, port = urlsplit(endpoint).hostname, urlsplit(endpoint).port
    assert host is not None
    assert port is not None

    async def serve(client: trio.SocketStream) -> None:
        server = await trio.open_tcp_stream(host, port)
        async with client, server, trio.open_nursery() as nursery:

            async def copy(source: trio.SocketStream, target: trio.SocketStream, tamper: Tamper) -> None:
                try:
                    async for data in source:
                        passed = tamper(bytes(data))
                        if passed is None:
                            break
                        await target.send_all(passed)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return
                finally:
                    nursery.cancel_scope.cancel()

            nursery.start_soon(copy, client, server, upstream)
            nursery.start_soon(copy, server, client, downstream)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        name = listeners[0].socket.getsockname()
        yield f"http://127.0.0.1:{name[1]}"
        nursery.cancel_scope.cancel()
