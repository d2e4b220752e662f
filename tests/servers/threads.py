"""Serve an aiohttp application from a thread of the test's own process, which can then change what it serves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

__all__ = ["serving"]

_START_SECONDS = 10.0


@contextmanager
def serving(application: web.Application) -> Iterator[str]:
    """Serve an application from a thread; yields its address."""
    ready = threading.Event()
    stop = asyncio.Event()
    loop = asyncio.new_event_loop()
    address = ""

    async def serve() -> None:
        nonlocal address
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(_START_SECONDS), "the server did not start"
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
