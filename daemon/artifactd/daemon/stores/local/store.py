"""The store `file:///dir`: one file per object, visible only whole and only once it survives a loss of power."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import trio

from artifactd.daemon.crashpoints import Point, reach
from artifactd.daemon.stores.base import Kind, ObjectInfo, Source, StoreError, check_key
from artifactd.daemon.stores.local.batch import Batch
from artifactd.daemon.stores.local.files import descriptor, make_directories, sync_all, walk
from artifactd.daemon.stores.os_errors import os_errors, write_all
from artifactd.daemon.stores.sources import IdentityHash, read_exactly

__all__ = ["LocalStore"]

_TEMPORARY = ".tmp"
_CHUNK = 1 << 20
_PAGE = 1000
_THREADS = 16

Result = TypeVar("Result")


class LocalStore:
    """A `Store` in a directory of its own, which is created when first written to.

    Work runs in worker threads; a cancelled transfer stops at its next chunk of 1 MiB.
    """

    def __init__(self, root: Path) -> None:
        self.url = root.as_uri()
        self._root = root
        self._temporary = root / _TEMPORARY
        # Its own threads: a disk or mount that hangs must not take those that the rest of the daemon shares.
        self._threads = trio.CapacityLimiter(_THREADS)

    async def _in_thread(self, work: Callable[..., Result], *arguments: object) -> Result:
        return await trio.to_thread.run_sync(partial(work, *arguments), limiter=self._threads)

    async def put(self, key: str, source: Source, *, digest: str) -> None:
        await self._in_thread(self._put, key, source, digest)

    async def put_batch(self, items: Sequence[tuple[str, bytes | memoryview]]) -> list[StoreError | None]:
        return await self._in_thread(Batch(items, self._path, self._temporary).write)

    async def get(self, key: str, fd: int, *, offset: int = 0, length: int | None = None) -> int:
        return await self._in_thread(self._get, key, fd, offset, length)

    async def head(self, key: str) -> ObjectInfo | None:
        try:
            return await self._in_thread(self._head, key)
        except StoreError as error:
            if error.kind is not Kind.NOT_FOUND:
                raise
            return None

    async def delete(self, key: str) -> None:
        try:
            await self._in_thread(self._delete, key)
        except StoreError as error:
            if error.kind is not Kind.NOT_FOUND:
                raise

    async def list(self, prefix: str) -> AsyncGenerator[ObjectInfo, None]:
        files = walk(self._root, "", prefix)
        while page := await self._in_thread(self._page, files, prefix):
            for key, size in page:
                if not key.startswith(_TEMPORARY + "/"):
                    yield ObjectInfo(key, size)

    async def recover(self) -> int:
        return await self._in_thread(self._recover)

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()

    def _path(self, operation: str, key: str) -> Path:
        if check_key(operation, key).split("/", 1)[0] == _TEMPORARY:
            raise StoreError(Kind.PERMANENT, operation, key, f"{_TEMPORARY} is the store's own")
        return self._root / key

    def _put(self, key: str, source: Source, digest: str) -> None:
        target = self._path("put", key)
        with os_errors("put", key):
            changed = make_directories(self._temporary)
            temp = self._temporary / secrets.token_hex(16)
            try:
                with descriptor(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as fd:
                    self._copy(source, fd, key, digest)
                    os.fsync(fd)
                reach(Point.PARTS_SENT)
                changed += make_directories(target.parent)
                os.replace(temp, target)
            finally:
                temp.unlink(missing_ok=True)
            sync_all({target.parent, *changed})

    def _copy(self, source: Source, fd: int, key: str, digest: str) -> None:
        identity = IdentityHash()
        buffer = memoryview(bytearray(min(_CHUNK, source.size)))

        def visit(piece: memoryview) -> None:
            trio.from_thread.check_cancelled()
            identity.update(piece)
            write_all(fd, piece)
            reach(Point.MID_PART)

        for offset in range(0, source.size, _CHUNK):
            read_exactly(source, buffer[: source.size - offset], offset, key, visit)
        identity.check(key, digest)

    def _get(self, key: str, fd: int, offset: int, length: int | None) -> int:
        path = self._path("get", key)
        with os_errors("get", key), descriptor(path, os.O_RDONLY) as source:
            info = os.fstat(source)
            if not stat.S_ISREG(info.st_mode):
                raise StoreError(Kind.NOT_FOUND, "get", key, "no such object")
            end = info.st_size if length is None else min(info.st_size, offset + length)
            position = offset
            while position < end:
                trio.from_thread.check_cancelled()
                sent = os.sendfile(fd, source, position, min(_CHUNK, end - position))
                if not sent:
                    raise StoreError(Kind.CORRUPT, "get", key, f"the object ends at byte {position}")
                position += sent
            return max(0, end - offset)

    def _head(self, key: str) -> ObjectInfo | None:
        path = self._path("head", key)
        with os_errors("head", key):
            info = path.stat()
        return ObjectInfo(key, info.st_size) if stat.S_ISREG(info.st_mode) else None

    def _delete(self, key: str) -> None:
        path = self._path("delete", key)
        with os_errors("delete", key):
            path.unlink()

    def _page(self, files: Iterator[tuple[str, int]], prefix: str) -> Sequence[tuple[str, int]]:
        with os_errors("list", prefix):
            return list(islice(files, _PAGE))

    def _recover(self) -> int:
        """Remove what earlier processes left half written. The home's lock says that they are gone."""
        with os_errors("recover", _TEMPORARY):
            stale = list(self._temporary.iterdir()) if self._temporary.exists() else []
            for path in stale:
                path.unlink(missing_ok=True)
        return len(stale)
