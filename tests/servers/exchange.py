"""One request between the client's connection and the server's, and the ways to send it on and to answer it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import ClientError, ClientSession, web
from yarl import URL

if TYPE_CHECKING:
    from aiohttp.client import _RequestContextManager

__all__ = ["Answer", "Exchange"]

PIECES = 20
PAUSE_SECONDS = 0.15
"""A slow body comes in so many pieces, with such a pause after each."""

_HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "keep-alive", "content-length"})
_ADDED_BY_AIOHTTP = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered, or is said to have. `length` is what the head promises: to a HEAD, of no body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    length: int


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that has come as far as its head. `upstream` is the server's endpoint."""

    request: web.Request
    session: ClientSession
    upstream: str

    async def half(self) -> bytes:
        """Take half of the body from the client."""
        size = (self.request.content_length or 0) // 2
        return await self.request.content.readexactly(size) if size else b""

    async def body(self) -> bytes:
        """Take what is left of the body."""
        return await self.request.content.read()

    async def body_slowly(self) -> bytes:
        """Take the body in pieces, with pauses."""
        size = (self.request.content_length or 0) // PIECES + 1
        taken = b""
        while piece := await self.request.content.read(size):
            taken += piece
            await asyncio.sleep(PAUSE_SECONDS * len(piece) / size)
        return taken

    async def send(self, body: bytes) -> Answer:
        """Send the request with this body to the server."""
        async with self._open(io.BytesIO(body) if body else None) as answer:
            content = await answer.read()
            length = int(answer.headers.get("Content-Length", len(content)))
            return Answer(answer.status, answer.headers, content, length)

    async def send_cut(self, body: bytes) -> None:
        """Send the request to the server with no more of its body than this, and reset the connection."""

        async def cut() -> AsyncGenerator[bytes, None]:
            yield body
            raise ConnectionResetError

        with suppress(ClientError):
            await self._open(cut())

    def _open(self, body: io.BytesIO | AsyncGenerator[bytes, None] | None) -> _RequestContextManager:
        # The signature covers the Host header: it must go on as the client sent it.
        return self.session.request(
            self.request.method,
            URL(self.upstream + self.request.raw_path, encoded=True),
            headers=self.request.headers,
            data=body,
            allow_redirects=False,
            skip_auto_headers=_ADDED_BY_AIOHTTP,
        )

    async def answer(self, answer: Answer, pieces: int = 1) -> web.StreamResponse:
        """Answer the client. A body shorter than promised ends the connection."""
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
        response = web.StreamResponse(status=answer.status, headers=kept)
        response.content_length = answer.length
        await response.prepare(self.request)
        size = len(answer.body) // pieces + 1
        for start in range(0, len(answer.body), size):
            await response.write(answer.body[start : start + size])
            if pieces > 1:
                await asyncio.sleep(PAUSE_SECONDS)
        if len(answer.body) < answer.length and self.request.method != "HEAD":
            # What was written leaves before the end of the connection does.
            response.force_close()
        return response

    def reset(self) -> web.StreamResponse:
        """End the client's connection as a crash does."""
        assert self.request.transport is not None
        self.request.transport.abort()
        return web.Response()

    async def stall(self) -> web.StreamResponse:
        """Do nothing until the client has had enough, which cancels this."""
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")
