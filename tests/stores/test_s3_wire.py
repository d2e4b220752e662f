"""Small PUTs on connections of aiohttp's pool: whatever a server does ends in an answer or an error, in time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

import aiohttp
import pytest
from yarl import URL

from artifactd.daemon.stores.s3.wire import AT_ONCE, Answer, Wire

READ_SECONDS = 0.2
_LITTLE = 4096
BODY = memoryview(b"the body")
DONE = b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 0\r\n\r\n'

Script = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One connection of the server's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def request(self) -> tuple[str, bytes]:
        """The head and the body of the next request."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        length = next(line for line in head.splitlines() if line.startswith("content-length: "))
        return head, await self._reader.readexactly(int(length.removeprefix("content-length: ")))

    async def answer(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    async def gone(self) -> None:
        """Until the client has closed the connection."""
        with suppress(ConnectionError):
            while await self._reader.read(1 << 16):
                pass


def talk(script: Script, work: Callable[[Callable[..., Awaitable[Answer]]], Awaitable[None]]) -> int:
    """Run `work(put)` against a server that acts the script on each connection; how many there were."""
    served: list[asyncio.Task[None]] = []

    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            served.append(cast("asyncio.Task[None]", asyncio.current_task()))
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await script(Peer(reader, writer))
            writer.close()

        listening = socket.create_server(("127.0.0.1", 0))
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _LITTLE)
        server = await asyncio.start_server(serve, sock=listening, limit=_LITTLE)
        url = URL(f"http://127.0.0.1:{listening.getsockname()[1]}/bucket/")
        connector = aiohttp.TCPConnector(socket_factory=_with_little_room)
        timeout = aiohttp.ClientTimeout(sock_connect=5, sock_read=READ_SECONDS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            wire = Wire(session, url)

            def put(body: memoryview = BODY) -> Awaitable[Answer]:
                return wire.put("/bucket/key", {"host": "h", "content-length": str(len(body))}, body)

            await work(put)
        server.close()
        await asyncio.gather(*served)

    asyncio.run(main())
    return len(served)


def _with_little_room(address: tuple[Any, ...]) -> socket.socket:
    made = socket.socket(*address[:3])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LITTLE)
    return made


async def answer_all(peer: Peer) -> None:
    while True:
        head, body = await peer.request()
        assert head.splitlines()[:2] == ["PUT /bucket/key HTTP/1.1", "host: h"]
        assert body == BODY
        await peer.answer(DONE)


def test_one_connection_serves_one_put_after_the_other() -> None:
    async def work(put: Callable[..., Awaitable[Answer]]) -> None:
        for _ in range(3):
            answer = await put()
            assert (answer.status, answer.headers["etag"], answer.body) == (200, '"e"', b"")

    assert talk(answer_all, work) == 1


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 503 Slow\r\nContent-Length: 3\r\n\r\n", b"why"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Slow\r\nContent-Length: 3\r\n\r\nwhy",),
        (b"HTTP/1.1 503 Slow\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nw\r\n", b"2\r\nhy\r\n0\r\n\r\n"),
    ],
)
def test_an_answer_may_come_in_any_form_of_http(pieces: tuple[bytes, ...]) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.answer(*pieces)

    async def work(put: Callable[..., Awaitable[Answer]]) -> None:
        for _ in range(2):
            answer = await put()
            assert (answer.status, answer.body) == (503, b"why")

    assert talk(script, work) == 1


def test_a_connection_that_the_server_wants_closed_serves_no_more() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        await peer.gone()

    async def work(put: Callable[..., Awaitable[Answer]]) -> None:
        for _ in range(2):
            assert (await put()).status == 200

    assert talk(script, work) == 2


def test_an_answer_that_comes_before_the_body_was_taken_ends_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        await peer.gone()

    async def work(put: Callable[..., Awaitable[Answer]]) -> None:
        for _ in range(2):
            assert (await put(memoryview(bytes(AT_ONCE)))).status == 403

    assert talk(script, work) == 2


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        ((), aiohttp.ServerDisconnectedError),
        ((b"HTTP/1.1 200 OK\r\nContent-Le",), aiohttp.ServerDisconnectedError),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",), aiohttp.ClientPayloadError),
        ((b"220 mail.example.com ESMTP\r\n\r\n",), aiohttp.ClientPayloadError),
        ((b"HTTP/1.1 200 OK\r\n\r\n", b"x" * (2 << 20)), aiohttp.ClientPayloadError),
    ],
    ids=["nothing", "half a head", "half a body", "no http", "an endless body"],
)
def test_what_is_no_answer_is_an_error(pieces: tuple[bytes, ...], error: type[Exception]) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.answer(*pieces)

    async def work(put: Callable[..., Awaitable[Answer]]) -> None:
        with pytest.raises(error):
            await put()

    talk(script, work)


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"HTTP/1.1 100 Continue\r\n\r\n",),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",),
    ],
    ids=["nothing", "a promise", "another protocol", "half a body"],
)
def test_a_server_that_falls_silent_is_given_up(pieces: tuple[bytes, ...]) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.answer(*pieces)
        await peer.gone()

    async def work(put: Callable[..., Awaitable[Answer]]) -> None:
        with pytest.raises(aiohttp.SocketTimeoutError):
            await asyncio.wait_for(put(), 20 * READ_SECONDS)

    talk(script, work)


def test_a_put_that_is_cancelled_takes_its_connection_along() -> None:
    begun, gone = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        begun.set()
        await peer.gone()
        gone.set()

    async def work(put: Callable[..., Awaitable[Answer]]) -> None:
        task = asyncio.ensure_future(put())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(gone.wait(), 5)

    talk(script, work)


def test_nobody_listening_is_an_error_of_the_connection() -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await Wire(session, URL("http://127.0.0.1:1")).put("/", {}, BODY)

    asyncio.run(main())
