"""HTTP to GCS, on the asyncio loop: the connections, the token, and errors by kind."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.request import getproxies, proxy_bypass

import aiohttp
from gcloud.aio.storage.storage import init_api_root
from yarl import URL

from artifactd.daemon.store_url import check_server_url
from artifactd.daemon.stores.base import Kind, StoreError, StoreUnusable
from artifactd.daemon.stores.buckets.body import Pieces
from artifactd.daemon.stores.buckets.sockets import Sockets
from artifactd.daemon.stores.gcs.errors import GCS_ERRORS, unanswered
from artifactd.daemon.stores.gcs.options import GCSOptions
from artifactd.daemon.stores.gcs.token import Credentials

__all__ = ["Answer", "Http", "open_http"]

_CONNECT_TIMEOUT = 10
_CONTROL_CONNECTIONS = 8
"""Beyond those for data, so that a look never queues behind the uploads it is about."""
_MOST_BODY = 16 << 20
"""Bytes of an answer that is not an object; a page of a thousand of the longest names has a tenth of it."""


class Answer(NamedTuple):
    """A whole answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http:
    """One session and its credentials; `root` is where URLs begin. Close it on the loop that it was opened on."""

    def __init__(
        self,
        root: str,
        session: aiohttp.ClientSession,
        sockets: Sockets,
        credentials: Credentials | None,
        stall: float,
    ) -> None:
        self.root = root
        self._session = session
        self._sockets = sockets
        self._credentials = credentials
        self._stall = stall

    async def ask(
        self,
        operation: str,
        key: str,
        method: str,
        url: URL,
        headers: Mapping[str, str] | None = None,
        pieces: Sequence[bytes | memoryview] = (),
        *,
        authorized: bool = True,
    ) -> Answer:
        """Send one request and read the answer. Raises `StoreError` if there is none, never for a status."""
        async with self.open(operation, key, method, url, headers, pieces, authorized=authorized) as response:
            body = bytearray()
            try:
                async for piece in response.content.iter_any():
                    body += piece
                    if len(body) > _MOST_BODY:
                        raise StoreError(Kind.PERMANENT, operation, key, "the answer is too long")
            except GCS_ERRORS as error:
                raise unanswered(error, operation, key) from error
            return Answer(response.status, response.headers, bytes(body))

    @asynccontextmanager
    async def open(
        self,
        operation: str,
        key: str,
        method: str,
        url: URL,
        headers: Mapping[str, str] | None = None,
        pieces: Sequence[bytes | memoryview] = (),
        *,
        authorized: bool = True,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Like `ask`, but the body is the caller's to read. A token that is refused is replaced once."""
        for renewed in (False, True):
            token = await self._credentials.token() if self._credentials and authorized else None
            response = await self._send(operation, key, method, url, headers or {}, pieces, token)
            async with response:
                if response.status == 401 and self._credentials and token:
                    self._credentials.refused(token)
                    if not renewed:
                        continue
                yield response
                return

    async def _send(
        self,
        operation: str,
        key: str,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        pieces: Sequence[bytes | memoryview],
        token: str | None,
    ) -> aiohttp.ClientResponse:
        content_type = headers.get("Content-Type", "application/octet-stream")
        data = Pieces(pieces, content_type, self._stall) if pieces else None
        sent = dict(headers)
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        try:
            # A 308 is how a resumable upload says "go on", no redirect.
            return await self._session.request(method, url, headers=sent, data=data, allow_redirects=False)
        except GCS_ERRORS as error:
            raise unanswered(error, operation, key) from error

    async def close(self) -> None:
        await self._session.close()
        await self._sockets.cut_off()


async def open_http(options: GCSOptions, small_puts: int) -> Http:
    """Open connections on the running asyncio loop.

    Raises `StoreUnusable` if the CA bundle cannot be read, or for an emulator's address that may hold a secret.
    """
    anonymous, root = init_api_root(options.endpoint_url, False if options.endpoint_url else None)
    try:
        check_server_url(root)
        trusted = ssl.create_default_context(cafile=options.ca_bundle) if options.ca_bundle else None
    except ValueError as error:
        raise StoreUnusable(f"GCS: STORAGE_EMULATOR_HOST or endpoint_url: {error}") from None
    except OSError as error:
        raise StoreUnusable(f"GCS: ca_bundle {options.ca_bundle}: {error}") from error
    sockets = Sockets()
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=options.concurrency + small_puts + _CONTROL_CONNECTIONS,
            ssl=trusted or True,
            socket_factory=sockets,
        ),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT, sock_read=options.stall_timeout),
        headers={"User-Agent": "artifactd", "Accept-Encoding": "identity"},
        auto_decompress=False,
        proxy=_proxy(URL(root)),
    )
    credentials = None if anonymous else Credentials(trusted)
    return Http(root.rstrip("/"), session, sockets, credentials, options.stall_timeout)


def _proxy(root: URL) -> str | None:
    """What the environment says, looked up once: aiohttp would read `.netrc` before each request as well."""
    return None if proxy_bypass(root.host or "") else getproxies().get(root.scheme)
