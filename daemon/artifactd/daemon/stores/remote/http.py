"""Requests to other people's HTTP servers, on the asyncio loop: every address is asked about before it is used.

The answer is needed at the socket: a name can resolve differently each time it is asked, and a redirect can
lead anywhere. So connections are not shared, and redirects are followed here, one by one.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.remote.files import drain
from artifactd.daemon.stores.remote.http_errors import check_status, http_errors

__all__ = ["Answer", "Objection", "ask", "fetch"]

Objection = Callable[[str, str], str]
"""(URL, address behind its host) -> why there must be no connection to it; empty if there may be."""

_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
_ASK_SECONDS = 120.0
"""A server may be slow, but must not hold an artifact for ever by dripping headers."""
_HEADERS = {"User-Agent": "artifactd", "Accept-Encoding": "identity"}
"""Sizes and checksums are of the bytes as they are stored: compressed on the way they would be others."""


class Answer(NamedTuple):
    """What a server says of an object. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]


async def ask(method: str, uri: str, headers: Mapping[str, str], objection: Objection) -> Answer:
    """The answer to a request without its body. Raises `StoreError` where there is none, whatever it says."""
    with http_errors("look up", uri):
        async with asyncio.timeout(_ASK_SECONDS), _request(method, uri, headers, objection) as response:
            return _answer(response)


async def fetch(uri: str, fd: int, *, limit: int, objection: Objection, accept: Callable[[Answer], None]) -> int:
    """Write the object to `fd`, `limit` bytes at most; returns how many it has.

    `accept` sees the answer before the first byte is written, and may raise. Raises `StoreError`.
    """
    with http_errors("get", uri):
        async with _request("GET", uri, {}, objection) as response:
            check_status(response.status, "get", uri)
            accept(_answer(response))
            return await drain(response.content.read, fd, limit=limit, uri=uri)


def _answer(response: aiohttp.ClientResponse) -> Answer:
    # Bytes that are no text arrive as lone surrogates, which nothing could write down.
    headers = {
        name.lower(): value.encode(errors="surrogateescape").decode(errors="backslashreplace")
        for name, value in response.headers.items()
    }
    return Answer(response.status, headers)


@asynccontextmanager
async def _request(
    method: str, uri: str, headers: Mapping[str, str], objection: Objection
) -> AsyncIterator[aiohttp.ClientResponse]:
    url = _url(uri, uri)
    for _ in range(_MAX_REDIRECTS + 1):
        async with _one_request(method, url, headers, objection) as response:
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                yield response
                return
            url = _redirected(url, location, uri)
    raise StoreError(Kind.PERMANENT, "look up", uri, f"more than {_MAX_REDIRECTS} redirects")


def _url(text: str, uri: str) -> URL:
    try:
        return URL(text)
    except ValueError as error:
        raise StoreError(Kind.PERMANENT, "look up", uri, f"its URL is not understood: {error}") from error


def _redirected(url: URL, location: str, uri: str) -> URL:
    target = url.join(_url(location, uri))
    if target.scheme not in ("http", "https") or target.user or target.password:
        raise StoreError(Kind.PERMANENT, "look up", uri, f"it redirects to {target.scheme}:…, or to a password")
    return target


@asynccontextmanager
async def _one_request(
    method: str, url: URL, headers: Mapping[str, str], objection: Objection
) -> AsyncIterator[aiohttp.ClientResponse]:
    refused: list[str] = []

    def open_socket(found: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = found
        if reason := objection(str(url), str(address[0])):
            refused.append(reason)
            raise OSError(errno.EACCES, reason)
        return socket.socket(family, kind, protocol)

    connector = aiohttp.TCPConnector(
        resolver=ThreadedResolver(), socket_factory=open_socket, use_dns_cache=False, force_close=True
    )
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=_TIMEOUT,
        headers=_HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
        # A file that lies there compressed is sent so, whatever was asked for: its size is of those bytes.
        auto_decompress=False,
    ) as session:
        try:
            async with session.request(method, url, headers=headers, allow_redirects=False) as response:
                yield response
        except aiohttp.ClientConnectorError as error:
            if refused:
                raise StoreError(Kind.DENIED, "look up", str(url), refused[0]) from error
            raise
