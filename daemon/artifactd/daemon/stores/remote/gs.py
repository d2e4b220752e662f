"""Other people's buckets on Google Cloud Storage, by its JSON API, on the asyncio loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp
from gcloud.aio.auth import Token
from jwt import PyJWTError

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.remote.answers import understood
from artifactd.daemon.stores.remote.files import drain
from artifactd.daemon.stores.remote.http_errors import check_status, http_errors

__all__ = ["GsObject", "RemoteGs"]

_API = "https://storage.googleapis.com"
_SCOPES = ["https://www.googleapis.com/auth/devstorage.read_only"]
_FIELDS = "name,size,etag,crc32c,generation"
_PAGE = "1000"
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)


class GsObject(NamedTuple):
    """One generation of an object; `crc32c` is base64 as Google writes it."""

    name: str
    size: int
    etag: str
    crc32c: str
    generation: str


class RemoteGs:
    """Reads with the SDK's own credentials, and with none where `STORAGE_EMULATOR_HOST` says so.

    The session is opened by the first request.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._emulator = environ.get("STORAGE_EMULATOR_HOST", "")
        self._opening = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._token: Token | None = None

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
        if self._token is not None:
            await self._token.close()

    async def head(self, bucket: str, name: str, generation: str) -> GsObject:
        """One object; `generation` may be empty."""
        params = {"fields": _FIELDS, **_of(generation)}
        path = _object_path(bucket, name)
        async with self._get("look up", path, params) as response:
            with understood("look up", path):
                return _object(await response.json())

    async def page(self, bucket: str, prefix: str, token: str) -> tuple[list[GsObject], str]:
        """Some of the objects below a prefix, and the token of the next page or nothing."""
        params = {"prefix": prefix, "maxResults": _PAGE, "fields": f"nextPageToken,items({_FIELDS})"}
        if token:
            params["pageToken"] = token
        path = f"/storage/v1/b/{quote(bucket, safe='')}/o"
        async with self._get("list", path, params) as response:
            with understood("list", path):
                listed = await response.json()
                return [_object(item) for item in listed.get("items", ())], str(listed.get("nextPageToken", ""))

    async def fetch(
        self, bucket: str, name: str, generation: str, fd: int, *, limit: int, accept: Callable[[GsObject], None]
    ) -> int:
        """Write one object, `limit` bytes at most, to `fd`; `accept` sees what it is before, and may raise."""
        found = await self.head(bucket, name, generation)
        accept(found)
        params = {"alt": "media", "generation": found.generation}
        async with self._get("get", _object_path(bucket, name), params, raw=True) as response:
            return await drain(response.content.read, fd, limit=limit, uri=f"gs://{bucket}/{name}")

    @asynccontextmanager
    async def _get(
        self, operation: str, path: str, params: Mapping[str, str], *, raw: bool = False
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """With `raw`, an object that was stored compressed comes so: its size and checksum are of those bytes."""
        with http_errors(operation, path):
            session, headers = await self._opened()
            if raw:
                headers["Accept-Encoding"] = "gzip"
            url = f"{self._root()}{path}"
            async with session.get(
                url, params=params, headers=headers, allow_redirects=False, auto_decompress=not raw
            ) as response:
                check_status(response.status, operation, path)
                yield response

    async def _opened(self) -> tuple[aiohttp.ClientSession, dict[str, str]]:
        async with self._opening:
            if self._session is None:
                self._session = aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar())
            if self._emulator:
                return self._session, {}
            try:
                if self._token is None:
                    self._token = Token(scopes=_SCOPES)
                token = await self._token.get()
            except (OSError, KeyError, ValueError, PyJWTError) as error:
                if isinstance(error, aiohttp.ClientError):
                    raise
                raise StoreError(
                    Kind.DENIED, "sign in", _API, "the daemon's credentials for Google cannot be used"
                ) from error
            return self._session, {"Authorization": f"Bearer {token}"}

    def _root(self) -> str:
        if "://" in self._emulator:
            return self._emulator.rstrip("/")
        return f"http://{self._emulator}" if self._emulator else _API


def _object_path(bucket: str, name: str) -> str:
    return f"/storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}"


def _of(generation: str) -> dict[str, str]:
    return {"generation": generation} if generation else {}


def _object(item: Mapping[str, Any]) -> GsObject:
    return GsObject(
        item["name"], int(item["size"]), item.get("etag", ""), item.get("crc32c", ""), str(item["generation"])
    )
