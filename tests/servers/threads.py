"""Serve an aiohttp application from a thread of the test's own process, which can then change what it serves."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

__all__ = ["serving"]

_START_SECONDS = 10.0


@contextmanager
def serving(application: web.Application, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve an application from a thread; yields its address, which is by name with TLS."""
    ready = threading.Event()
    stop = asyncio.Event()
    loop = asyncio.new_event_loop()
    address = ""

    async def serve() -> None:
        nonlocal address
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        host = "https://localhost" if tls else "http://127.0.0.1"
        address = f"{host}:{runner.addresses[0][1]}"
        ready.set()
        await stop.wait()
        await runner.cleanup()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(_START_SECONDS), "the server did not start"
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
