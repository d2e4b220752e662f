"""What the stores in buckets have in common, from trio: each method crosses to the asyncio loop once per step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from artifactd.daemon.stores.asyncio_bridge import Bridge
from artifactd.daemon.stores.base import SINGLE_PUT, ObjectInfo, Source, StoreError, check_key
from artifactd.daemon.stores.buckets.single_puts import SinglePuts
from artifactd.daemon.stores.gate import Gate

__all__ = ["BucketStore", "ObjectRequests"]

T = TypeVar("T")


class ObjectRequests(Protocol):
    """Requests about objects, on the asyncio loop; see `Store` for what they return and raise."""

    async def get(self, key: str, fd: int, offset: int, length: int | None) -> int: ...

    async def head(self, key: str) -> ObjectInfo | None: ...

    async def delete(self, key: str) -> None: ...

    async def page(self, prefix: str, token: str) -> tuple[list[ObjectInfo], str | None]:
        """One page of the listing, the first for the token "", and the token of the next or None."""


class BucketStore(ABC):
    """All of a `Store` but its large uploads, and its beginning and end."""

    def __init__(self, url: str, bridge: Bridge, requests: ObjectRequests, small: SinglePuts, gate: Gate) -> None:
        self.url = url.rstrip("/")
        self._bridge = bridge
        self._objects = requests
        self._small = small
        self._gate = gate

    async def put(self, key: str, source: Source, *, digest: str) -> None:
        check_key("put", key)
        if source.size <= SINGLE_PUT:
            await self._bridge.call(self._small.put, key, source, digest)
        else:
            await self._put_large(key, source, digest)

    @abstractmethod
    async def _put_large(self, key: str, source: Source, digest: str) -> None:
        """Store what is too large for one request; see `Store.put`."""

    async def put_batch(self, items: Sequence[tuple[str, bytes | memoryview]]) -> list[StoreError | None]:
        return await self._bridge.call(self._small.put_many, items)

    async def get(self, key: str, fd: int, *, offset: int = 0, length: int | None = None) -> int:
        request = partial(self._objects.get, check_key("get", key), fd, offset, length)
        return await self._bridge.call(self._gate.run, request)

    async def head(self, key: str) -> ObjectInfo | None:
        return await self._heed(partial(self._objects.head, check_key("head", key)))

    async def delete(self, key: str) -> None:
        await self._heed(partial(self._objects.delete, check_key("delete", key)))

    async def list(self, prefix: str) -> AsyncGenerator[ObjectInfo, None]:
        token: str | None = ""
        while token is not None:
            found, token = await self._heed(partial(self._objects.page, prefix, token))
            for info in found:
                yield info

    async def _heed(self, request: Callable[[], Awaitable[T]]) -> T:
        return await self._bridge.call(self._gate.heed, request)
