"""The requests about objects of one bucket, on the asyncio loop: one a method, every failure classified."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from urllib.parse import quote

from yarl import URL

from artifactd.daemon.stores.base import Kind, ObjectInfo, StoreError
from artifactd.daemon.stores.gcs.answers import Stored, decode_listing, decode_stored, encode_crc, success
from artifactd.daemon.stores.gcs.download import read_object, read_piece
from artifactd.daemon.stores.gcs.errors import answered
from artifactd.daemon.stores.gcs.http import Http
from artifactd.daemon.stores.gcs.options import GCSOptions

__all__ = ["Requests"]

_FIELDS = "size,crc32c,generation"


class Requests:
    """Requests about keys below `prefix`, which is empty or ends with a slash."""

    def __init__(self, http: Http, bucket: str, prefix: str, options: GCSOptions) -> None:
        self._http = http
        self._prefix = prefix
        self._options = options
        self._objects = f"{http.root}/storage/v1/b/{quote(bucket, safe='')}/o"
        self._upload = f"{http.root}/upload/storage/v1/b/{quote(bucket, safe='')}/o"

    def upload_url(self, upload_type: str) -> URL:
        """Where an object is made that is not there yet."""
        query = {"uploadType": upload_type, "ifGenerationMatch": "0", "fields": _FIELDS}
        if self._options.kms_key:
            query["kmsKeyName"] = self._options.kms_key
        return URL(self._upload).with_query(query)

    def metadata(self, key: str) -> dict[str, str]:
        """What a new object under `key` is to be."""
        metadata = {"name": self._prefix + key, "contentType": "application/octet-stream"}
        if self._options.storage_class:
            metadata["storageClass"] = self._options.storage_class
        return metadata

    async def put(self, key: str, data: memoryview, crc: int) -> None:
        """Make an object in one request. Raises `CONFLICT` if there is one, `CORRUPT` if it arrived damaged."""
        boundary = os.urandom(16).hex()
        metadata = json.dumps(self.metadata(key) | {"crc32c": encode_crc(crc)})
        head = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{metadata}\r\n"
            f"--{boundary}\r\nContent-Type: application/octet-stream\r\n\r\n"
        )
        answer = await self._http.ask(
            "put",
            key,
            "POST",
            self.upload_url("multipart"),
            {"Content-Type": f"multipart/related; boundary={boundary}"},
            [head.encode(), data, f"\r\n--{boundary}--\r\n".encode()],
        )
        await self.verify(key, decode_stored(answer, "put", key), len(data), crc)

    async def verify(self, key: str, stored: Stored, size: int, crc: int) -> None:
        """Raise `CORRUPT` if `stored`, which we made ourselves, is not this, and take it away again."""
        if (stored.size, stored.crc) != (size, crc):
            # If that fails as well, the next attempt finds it and says so.
            with suppress(StoreError):
                await self.delete(key, stored.generation)
            raise StoreError(Kind.CORRUPT, "put", key, "the server stored other bytes than were sent")

    async def stat(self, key: str) -> Stored | None:
        url = self._url(key, fields=_FIELDS)
        answer = await self._http.ask("head", key, "GET", url)
        if answer.status == 404:
            return None
        return decode_stored(answer, "head", key)

    async def head(self, key: str) -> ObjectInfo | None:
        stored = await self.stat(key)
        return None if stored is None else ObjectInfo(key, stored.size)

    async def delete(self, key: str, generation: int | None = None) -> None:
        """Delete an object, or only this generation of it; one that is not there is success."""
        condition = {} if generation is None else {"ifGenerationMatch": str(generation)}
        answer = await self._http.ask("delete", key, "DELETE", self._url(key, **condition))
        if answer.status != 404 and (answer.status != 412 or generation is None):
            success(answer, "delete", key)

    async def page(self, prefix: str, token: str) -> tuple[list[ObjectInfo], str | None]:
        """One page of the listing, the first for the token "", and the token of the next or None."""
        query = {"prefix": self._prefix + prefix, "fields": "items(name,size),nextPageToken"}
        if token:
            query["pageToken"] = token
        answer = await self._http.ask("list", prefix, "GET", URL(self._objects).with_query(query))
        page = decode_listing(answer, "list", prefix)
        skip = len(self._prefix)
        return [ObjectInfo(item.name[skip:], item.size) for item in page.items], page.nextPageToken

    async def get(self, key: str, fd: int, offset: int, length: int | None) -> int:
        """Write a range of the object to `fd`; one that begins at or after its end is empty."""
        if length == 0:
            return await self._get_nothing(key)
        end = "" if length is None else offset + length - 1
        ranged = {"Range": f"bytes={offset}-{end}"} if offset or length is not None else {}
        async with self._http.open("get", key, "GET", self._url(key, alt="media"), ranged) as response:
            if response.status == 416:
                return await self._get_nothing(key)
            if response.status not in (200, 206):
                raise answered(response.status, await read_piece(response, key), "get", key)
            if response.status == 200 and ranged:
                raise StoreError(Kind.PERMANENT, "get", key, "the server does not give ranges")
            return await read_object(response, key, fd)

    async def _get_nothing(self, key: str) -> int:
        """Return 0 if that is the answer for an object that exists, else raise."""
        if await self.stat(key) is None:
            raise StoreError(Kind.NOT_FOUND, "get", key, "no such object")
        return 0

    def _url(self, key: str, **query: str) -> URL:
        return URL(f"{self._objects}/{quote(self._prefix + key, safe='')}", encoded=True).with_query(query)
