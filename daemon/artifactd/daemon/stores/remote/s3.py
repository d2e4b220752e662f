"""Other people's buckets on S3, on the asyncio loop: one request a method, every failure classified."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from artifactd.daemon.stores.base import Kind, StoreError, StoreUnusable
from artifactd.daemon.stores.remote.answers import understood
from artifactd.daemon.stores.remote.files import drain
from artifactd.daemon.stores.s3.client import open_client
from artifactd.daemon.stores.s3.errors import S3_ERRORS, classify
from artifactd.daemon.stores.s3.options import S3Options

__all__ = ["RemoteS3", "S3Object"]

_CONNECTIONS = 32
_NO_VERSION = "null"
"""What S3 calls the only version of an object in a bucket without versions."""


class S3Object(NamedTuple):
    """An object as it is now, or one version of it; `version` is empty in a bucket without versions."""

    key: str
    size: int
    etag: str
    version: str


class RemoteS3:
    """Reads with the SDK's own credentials. The client is opened by the first request."""

    def __init__(self, options: S3Options) -> None:
        self._options = options
        self._opening = asyncio.Lock()
        self._client: Any = None

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def head(self, bucket: str, key: str, version: str) -> S3Object:
        """One object; `version` may be empty."""
        found = await self._call("look up", "head_object", bucket, key, Key=key, **_of(version))
        with understood("look up", key):
            return _object(found, key)

    async def page(self, bucket: str, prefix: str, token: str) -> tuple[list[S3Object], str]:
        """Some of the newest versions below a prefix, and the token of the next page or nothing."""
        marker, _, version = token.partition("\0")
        more = {"KeyMarker": marker, "VersionIdMarker": version} if token else {}
        response = await self._call("list", "list_object_versions", bucket, prefix, Prefix=prefix, **more)
        with understood("list", prefix):
            found = [_listed(item) for item in response.get("Versions", ()) if item["IsLatest"]]
            if not response.get("IsTruncated"):
                return found, ""
            return found, f"{response['NextKeyMarker']}\0{response.get('NextVersionIdMarker', '')}"

    async def page_without_versions(self, bucket: str, prefix: str, token: str) -> tuple[list[S3Object], str]:
        """As `page`, for a server that does not list versions or does not let us."""
        more = {"ContinuationToken": token} if token else {}
        response = await self._call("list", "list_objects_v2", bucket, prefix, Prefix=prefix, **more)
        with understood("list", prefix):
            found = [_listed(item) for item in response.get("Contents", ())]
        return found, response.get("NextContinuationToken", "")

    async def fetch(
        self, bucket: str, key: str, version: str, fd: int, *, limit: int, accept: Callable[[S3Object], None]
    ) -> int:
        """Write one object, `limit` bytes at most, to `fd`; `accept` sees what it is before, and may raise."""
        response = await self._call("get", "get_object", bucket, key, Key=key, **_of(version))
        async with response["Body"] as body:
            with understood("get", key):
                found = _object(response, key)
            accept(found)

            async def read(size: int) -> bytes:
                try:
                    piece: bytes = await body.read(size)
                except S3_ERRORS as error:
                    raise classify(error, "get", key) from error
                return piece

            return await drain(read, fd, limit=limit, uri=f"s3://{bucket}/{key}")

    async def _call(self, operation: str, method: str, bucket: str, key: str, **params: Any) -> dict[str, Any]:
        try:
            async with self._opening:
                if self._client is None:
                    self._client = await open_client(self._options, _CONNECTIONS)
            response: dict[str, Any] = await getattr(self._client, method)(Bucket=bucket, **params)
        except StoreUnusable as error:
            raise StoreError(Kind.DENIED, operation, f"s3://{bucket}/{key}", str(error)) from error
        except S3_ERRORS as error:
            raise classify(error, operation, f"s3://{bucket}/{key}") from error
        return response


def _of(version: str) -> dict[str, str]:
    return {"VersionId": version} if version else {}


def _object(response: dict[str, Any], key: str) -> S3Object:
    return S3Object(key, response["ContentLength"], _plain(response), _version(response))


def _listed(item: dict[str, Any]) -> S3Object:
    return S3Object(item["Key"], item["Size"], _plain(item), _version(item))


def _plain(item: dict[str, Any]) -> str:
    return str(item.get("ETag", "")).strip('"')


def _version(item: dict[str, Any]) -> str:
    version = str(item.get("VersionId") or "")
    return "" if version == _NO_VERSION else version
