"""Small PUTs on the connections of an aiohttp session, which makes, checks, keeps and ends them.

aiohttp's own building of a request and a response costs several times what sending 16 KiB does. Here head and body
leave in one piece, and aiohttp's parser reads the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from yarl import URL

__all__ = ["AT_ONCE", "Answer", "Wire"]

AT_ONCE = 64 << 10
"""Bytes of a body that a transport takes without asking its writer to wait."""

_LONGEST_ANSWER = 1 << 20


class Answer(NamedTuple):
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """PUTs to the server of `url`, through no proxy. For use on the session's loop."""

    def __init__(self, session: aiohttp.ClientSession, url: URL) -> None:
        assert session.connector is not None, "the session is open"
        self._connector = session.connector
        self._timeout = session.timeout
        # Never sent: connections are kept by what it says of the server.
        self._place = aiohttp.ClientRequest("PUT", url, loop=asyncio.get_running_loop(), session=session)

    async def put(self, target: str, headers: Mapping[str, str], body: memoryview) -> Answer:
        """Send, once, a body of at most `AT_ONCE` bytes, and return the answer; redirects are answers.

        Raises `aiohttp.ClientError`, also when the server says nothing for the session's `sock_read`.
        """
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        head = f"PUT {target} HTTP/1.1\r\n{lines}\r\n".encode()
        connection = await self._connect()
        protocol = connection.protocol
        assert protocol is not None, "a connection is not released by anybody else"
        try:
            answer = await self._exchange(protocol, head, body)
        except BaseException:
            # Merely closed, it would go on trying to send what is queued in it.
            protocol.abort()
            raise
        finally:
            connection.release()
        return answer

    async def _connect(self) -> Connection:
        try:
            return await self._connector.connect(self._place, traces=[], timeout=self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(f"Connection timeout to host {self._place.url}") from error

    async def _exchange(self, protocol: ResponseHandler, head: bytes, body: memoryview) -> Answer:
        transport = protocol.transport
        if transport is None:
            raise aiohttp.ClientConnectionResetError("Connection lost")
        protocol.set_response_params(
            read_until_eof=True, auto_decompress=False, read_timeout=self._timeout.sock_read
        )
        transport.writelines((head, body))
        status = 0
        while status < 200:
            protocol.start_timeout()
            try:
                message, content = await protocol.read()
            except HttpProcessingError as error:
                raise aiohttp.ClientPayloadError(f"no answer in HTTP: {error.message}") from error
            status = message.code
        answer = Answer(status, message.headers, await _all(content))
        if transport.get_write_buffer_size():
            # It answered before it had all: the rest would be taken for the next request.
            protocol.abort()
        return answer


async def _all(content: aiohttp.StreamReader) -> bytes:
    body = b""
    while not content.at_eof():
        body += await content.read(_LONGEST_ANSWER)
        if len(body) > _LONGEST_ANSWER:
            raise aiohttp.ClientPayloadError("the answer never ends")
    return body
