"""A large body goes from its socket to the file past the HTTP parser, and the connection survives it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.buckets.receiving import receive

BODY = os.urandom(5 << 20)
PATIENCE = 5


class Server:
    """Answers requests with the head that is set and so many bytes of the body; then it waits or hangs up."""

    def __init__(self) -> None:
        self.head = f"Content-Length: {len(BODY)}"
        self.sent = len(BODY)
        self.hang_up = False
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(f"HTTP/1.1 200 OK\r\n{self.head}\r\n\r\n".encode() + BODY[: self.sent])
                await writer.drain()
                if self.hang_up:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def talking(sock_read: float = PATIENCE) -> AsyncIterator[tuple[Server, aiohttp.ClientSession]]:
    server = Server()
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        timeout = aiohttp.ClientTimeout(total=None, sock_read=sock_read)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            yield server, session


class File:
    """What was written, by whom."""

    def __init__(self) -> None:
        self.data = b""
        self.writers: set[str] = set()

    def write(self, pieces: Sequence[bytes | memoryview]) -> int:
        data = b"".join(pieces)
        self.data += data
        self.writers.add(threading.current_thread().name)
        return len(data)


def test_bodies_come_whole_over_one_connection() -> None:
    async def main() -> None:
        async with talking() as (server, session):
            for _ in range(3):
                file = File()
                async with session.get(server.url) as response:
                    assert await receive(response, file.write, "key") == len(BODY)
                assert file.data == BODY
                assert file.writers == {"_receive"}
            async with session.get(server.url) as response:
                assert await response.read() == BODY
            assert server.connections == 1

    asyncio.run(main())


@pytest.mark.parametrize("head", [f"Content-Length: {100 << 10}", "Connection: close"], ids=["short", "no length"])
def test_other_bodies_are_left_to_the_parser(head: str) -> None:
    async def main() -> None:
        async with talking() as (server, session):
            server.head, server.sent, server.hang_up = head, 100 << 10, True
            file = File()
            async with session.get(server.url) as response:
                assert await receive(response, file.write, "key") == 0
                assert await response.read() == BODY[: 100 << 10]
            assert file.data == b""

    asyncio.run(main())


@pytest.mark.parametrize("hang_up", [True, False], ids=["closed", "stalled"])
def test_what_came_before_the_end_of_a_connection_is_written(hang_up: bool) -> None:
    async def main() -> None:
        async with talking(sock_read=0.2) as (server, session):
            server.sent, server.hang_up = 3_000_001, hang_up
            file = File()
            with pytest.raises(StoreError) as raised:
                async with session.get(server.url) as response:
                    await receive(response, file.write, "key")
            assert raised.value.kind is Kind.TRANSIENT
            assert file.data == BODY[:3_000_001]
            server.sent, server.hang_up = len(BODY), False
            async with session.get(server.url) as response:
                assert await receive(response, File().write, "key") == len(BODY)
            assert server.connections == 2

    asyncio.run(main())


def test_a_cancelled_one_ends_at_once_and_takes_its_thread_along() -> None:
    async def main() -> None:
        async with talking() as (server, session):
            server.sent = 3_000_001
            written = asyncio.Event()
            loop = asyncio.get_running_loop()

            def write(pieces: Sequence[bytes | memoryview]) -> int:
                loop.call_soon_threadsafe(written.set)
                return sum(map(len, pieces))

            async def get() -> None:
                async with session.get(server.url) as response:
                    await receive(response, write, "key")

            task = asyncio.create_task(get())
            await written.wait()
            task.cancel()
            # Well before the patience of its socket is at an end.
            await asyncio.wait([task], timeout=PATIENCE / 2)
            assert task.cancelled()
            for thread in threading.enumerate():
                if thread.name == "_receive":
                    # It has told its end already, or the task would not have ended.
                    thread.join(PATIENCE / 2)
                    assert not thread.is_alive()

    asyncio.run(main())


def test_a_full_disk_is_the_reason_that_is_told() -> None:
    def write(_: Sequence[bytes | memoryview]) -> int:
        raise OSError(28, "No space left on device")

    async def main() -> None:
        async with talking() as (server, session):
            with pytest.raises(StoreError) as raised:
                async with session.get(server.url) as response:
                    await receive(response, write, "key")
            assert isinstance(raised.value.__cause__, OSError)
            assert raised.value.__cause__.errno == 28

    asyncio.run(main())
