"""The resumable upload of GCS, as Google documents it, on the asyncio loop: one request a method.

A session is a URI of its own, which any process may go on with for a week. It is a secret: who has it may write
the object, so it is in no error and no log, and it needs no token. Its bytes are persisted from the beginning on
in multiples of 256 KiB, and the server says how far it got.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from yarl import URL

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.gcs.answers import Stored, decode_stored, encode_crc, success
from artifactd.daemon.stores.gcs.errors import answered
from artifactd.daemon.stores.gcs.http import Answer, Http
from artifactd.daemon.stores.gcs.requests import Requests

__all__ = ["Progress", "Sessions"]

_INCOMPLETE = 308
_CANCELLED = 499
_LOOKS = 8
"""Sessions asked about at once."""
_RANGE = re.compile(r"bytes=0-(\d{1,15})")


class Progress(NamedTuple):
    """How many bytes from the beginning the server has; `stored` is the object once it is complete."""

    persisted: int
    stored: Stored | None = None


class Sessions:
    """Sessions that make objects by `requests`' rules."""

    def __init__(self, http: Http, requests: Requests) -> None:
        self._http = http
        self._requests = requests

    async def begin(self, key: str, size: int) -> str:
        """Begin a session for an object of `size` bytes and return its URI.

        Raises `StoreError`, of kind `CONFLICT` when there is an object already.
        """
        headers = {
            "Content-Type": "application/json; charset=UTF-8",
            "X-Upload-Content-Type": "application/octet-stream",
            "X-Upload-Content-Length": str(size),
        }
        body = json.dumps(self._requests.metadata(key)).encode()
        url = self._requests.upload_url("resumable")
        answer = success(await self._http.ask("begin", key, "POST", url, headers, [body]), "begin", key)
        session = answer.headers.get("Location", "")
        if not self.is_session(session):
            raise StoreError(Kind.PERMANENT, "begin", key, "the server gave no session")
        return session

    def is_session(self, uri: str) -> bool:
        """Whether it can be a session of this server."""
        return uri.isascii() and uri.isprintable() and uri.startswith(URL(self._http.root).scheme + "://")

    async def progress(self, key: str, session: str, size: int) -> Progress:
        """Ask how far it got. Raises `NOT_FOUND` if the session is gone."""
        return await self._put("resume", key, session, (), f"bytes */{size}", size)

    async def send(self, key: str, session: str, data: memoryview, offset: int, size: int) -> Progress:
        """Send bytes from `offset` on that are not the last; the server may take fewer."""
        return await self._put("send", key, session, (data,), _range(offset, len(data), size), size)

    async def finish(self, key: str, session: str, data: memoryview, offset: int, size: int, crc: int) -> Progress:
        """Send the last bytes, perhaps none; the server makes the object if `crc` is the CRC32C of all of it."""
        ranged = _range(offset, len(data), size)
        checksum = {"X-Goog-Hash": f"crc32c={encode_crc(crc)}"}
        return await self._put("finish", key, session, (data,) if data else (), ranged, size, checksum)

    async def _put(
        self,
        operation: str,
        key: str,
        session: str,
        pieces: tuple[memoryview, ...],
        content_range: str,
        size: int,
        headers: dict[str, str] | None = None,
    ) -> Progress:
        url = URL(session, encoded=True)
        sent = {"Content-Range": content_range, **(headers or {})}
        answer = await self._http.ask(operation, key, "PUT", url, sent, pieces, authorized=False)
        return _progress(answer, operation, key, size)

    async def forgotten(self, sessions: Sequence[tuple[str, str]]) -> list[str]:
        """Those keys of (key, session) whose session the server says is gone."""
        few = asyncio.Semaphore(_LOOKS)

        async def is_gone(key: str, session: str) -> bool:
            async with few:
                url = URL(session, encoded=True)
                headers = {"Content-Range": "bytes */*"}
                try:
                    answer = await self._http.ask("resume", key, "PUT", url, headers, authorized=False)
                except StoreError:
                    return False
                return answer.status in (404, 410)

        async with asyncio.TaskGroup() as group:
            looks = [group.create_task(is_gone(key, session)) for key, session in sessions]
        return [key for (key, _), look in zip(sessions, looks, strict=True) if look.result()]

    async def cancel(self, key: str, session: str) -> None:
        """End a session, and what it has persisted. One that is not there is success."""
        url = URL(session, encoded=True)
        answer = await self._http.ask("cancel", key, "DELETE", url, authorized=False)
        if answer.status not in (_CANCELLED, 404, 410):
            success(answer, "cancel", key)


def _range(offset: int, length: int, size: int) -> str:
    return f"bytes {offset}-{offset + length - 1}/{size}" if length else f"bytes */{size}"


def _progress(answer: Answer, operation: str, key: str, size: int) -> Progress:
    if answer.status in (200, 201):
        return Progress(size, decode_stored(answer, operation, key))
    if answer.status != _INCOMPLETE:
        raise answered(answer.status, answer.body, operation, key)
    ranged = answer.headers.get("Range")
    if ranged is None:
        return Progress(0)
    match = _RANGE.fullmatch(ranged)
    if match is None or int(match[1]) >= size:
        raise StoreError(Kind.PERMANENT, operation, key, "the server claims bytes that were never sent")
    return Progress(int(match[1]) + 1)
