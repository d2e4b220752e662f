"""A proxy before an S3 server that does to each request what the test's rules say, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession, DummyCookieJar, TCPConnector, web

from servers.exchange import Exchange
from servers.faults import Faults, Rule
from servers.inflictions import inflict
from servers.s3_requests import read_request

__all__ = ["FaultProxy", "fault_proxy"]

_START_SECONDS = 10.0
_RECEIVE_BUFFER = 64 << 10


@dataclass(frozen=True, slots=True)
class FaultProxy:
    """A running proxy: `faults` takes rules while it runs, and tells what came."""

    endpoint: str
    faults: Faults


@dataclass(frozen=True, slots=True)
class _Running:
    """What the thread of the proxy gives away once it serves."""

    endpoint: str
    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event


@contextmanager
def fault_proxy(
    upstream: str, *rules: Rule, seed: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[FaultProxy]:
    """Forward to the endpoint `upstream` but for what `rules` and the coin thrown from `seed` say.

    Each request goes to the server on a connection of its own, exactly as often as the fault has it. Raises at
    the end what broke in the proxy itself.
    """
    faults = Faults(seed)
    faults.replace(rules)
    broken: list[Exception] = []
    ready: Future[_Running] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(upstream, faults, tls, ready, broken)))
    thread.start()
    running = ready.result(_START_SECONDS)
    try:
        yield FaultProxy(running.endpoint, faults)
    finally:
        running.loop.call_soon_threadsafe(running.stop.set)
        thread.join()
    if broken:
        raise ExceptionGroup("the proxy broke", broken)


async def _serve(
    upstream: str, faults: Faults, tls: ssl.SSLContext | None, ready: Future[_Running], broken: list[Exception]
) -> None:
    # A connection that is used again may break, and aiohttp would send some requests twice.
    connector = TCPConnector(limit=0, force_close=True)
    async with ClientSession(connector=connector, auto_decompress=False, cookie_jar=DummyCookieJar()) as session:

        async def handle(request: web.Request) -> web.StreamResponse:
            signed = request.headers.get("Authorization", "")
            fault = faults.judge(read_request(request.method, request.raw_path, signed))
            try:
                return await inflict(fault, Exchange(request, session, upstream))
            except (ConnectionError, ClientError):
                # Either side left.
                raise
            except Exception as error:
                broken.append(error)
                raise

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        try:
            listening = socket.create_server(("127.0.0.1", 0))
            # A body that is not taken must be felt by the client that sends it.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            await web.SockSite(runner, listening, ssl_context=tls).start()
            host, port = runner.addresses[0][:2]
            stop = asyncio.Event()
            endpoint = f"{'https' if tls else 'http'}://{host}:{port}"
            ready.set_result(_Running(endpoint, asyncio.get_running_loop(), stop))
            await stop.wait()
        finally:
            await runner.cleanup()
