"""The store `memory:`, for tests and for trying things out: a dict that lives as long as the daemon."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import trio

from artifactd.daemon.stores.base import Kind, ObjectInfo, Source, StoreError, check_key
from artifactd.daemon.stores.os_errors import os_errors, write_all
from artifactd.daemon.stores.sources import IdentityHash, read_exactly

__all__ = ["MemoryStore"]


class MemoryStore:
    """A `Store` in memory."""

    url = "memory:"

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    async def put(self, key: str, source: Source, *, digest: str) -> None:
        self._objects[check_key("put", key)] = await trio.to_thread.run_sync(_read, key, source, digest)

    async def put_batch(self, items: Sequence[tuple[str, bytes | memoryview]]) -> list[StoreError | None]:
        await trio.lowlevel.checkpoint()
        return [self._put_one(key, data) for key, data in items]

    def _put_one(self, key: str, data: bytes | memoryview) -> StoreError | None:
        try:
            self._objects[check_key("put", key)] = bytes(data)
        except StoreError as error:
            return error
        return None

    async def get(self, key: str, fd: int, *, offset: int = 0, length: int | None = None) -> int:
        data = self._objects.get(check_key("get", key))
        if data is None:
            raise StoreError(Kind.NOT_FOUND, "get", key, "no such object")
        end = len(data) if length is None else offset + length
        with os_errors("get", key):
            return await trio.to_thread.run_sync(write_all, fd, memoryview(data)[offset:end])

    async def head(self, key: str) -> ObjectInfo | None:
        await trio.lowlevel.checkpoint()
        data = self._objects.get(check_key("head", key))
        return None if data is None else ObjectInfo(key, len(data))

    async def delete(self, key: str) -> None:
        await trio.lowlevel.checkpoint()
        self._objects.pop(check_key("delete", key), None)

    async def list(self, prefix: str) -> AsyncGenerator[ObjectInfo, None]:
        await trio.lowlevel.checkpoint()
        for key in sorted(key for key in self._objects if key.startswith(prefix)):
            if (data := self._objects.get(key)) is not None:
                yield ObjectInfo(key, len(data))

    async def recover(self) -> int:
        await trio.lowlevel.checkpoint()
        return 0

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


def _read(key: str, source: Source, digest: str) -> bytes:
    data = bytearray(source.size)
    identity = IdentityHash()

    def visit(piece: memoryview) -> None:
        trio.from_thread.check_cancelled()
        identity.update(piece)

    read_exactly(source, memoryview(data), 0, key, visit)
    identity.check(key, digest)
    return bytes(data)
