"""Many small files made durable together: write all, sync once, rename all, sync the directories once."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import trio

from artifactd.daemon.stores.base import StoreError
from artifactd.daemon.stores.local.files import descriptor, make_directories, sync_all
from artifactd.daemon.stores.os_errors import os_errors, write_all

__all__ = ["Batch"]


class Batch:
    """One `put_batch` of the local store, in one worker thread.

    `locate` turns an operation and a key into the object's path, or refuses the key with a `StoreError`.
    """

    def __init__(
        self,
        items: Sequence[tuple[str, bytes | memoryview]],
        locate: Callable[[str, str], Path],
        temporary: Path,
    ) -> None:
        self._items = items
        self._locate = locate
        self._temporary = temporary
        self._outcomes: list[StoreError | None] = [None] * len(items)
        self._temps: dict[int, Path] = {}
        self._directories: set[Path] = set()

    def write(self) -> list[StoreError | None]:
        """Store the items; one outcome each. An item that fails does not hold up the others."""
        try:
            self._each(range(len(self._items)), self._write)
            self._sync(self._temps.values())
            self._each(list(self._temps), self._rename)
            self._sync(self._directories)
        finally:
            for temp in self._temps.values():
                temp.unlink(missing_ok=True)
        return self._outcomes

    def _each(self, indices: Iterable[int], step: Callable[[int, str], None]) -> None:
        for index in indices:
            trio.from_thread.check_cancelled()
            key = self._items[index][0]
            try:
                with os_errors("put", key):
                    step(index, key)
            except StoreError as error:
                self._outcomes[index] = error

    def _write(self, index: int, key: str) -> None:
        self._locate("put", key)
        if not self._temps:
            self._directories.update(make_directories(self._temporary))
        temp = self._temporary / secrets.token_hex(16)
        self._temps[index] = temp
        with descriptor(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as fd:
            write_all(fd, memoryview(self._items[index][1]).cast("B"))

    def _rename(self, index: int, key: str) -> None:
        if self._outcomes[index] is not None:
            return
        target = self._locate("put", key)
        if target.parent not in self._directories:
            self._directories.update(make_directories(target.parent))
        os.replace(self._temps[index], target)
        self._directories.add(target.parent)

    def _sync(self, paths: Iterable[Path]) -> None:
        try:
            with os_errors("put", str(self._temporary)):
                sync_all(paths)
        except StoreError as error:
            for index, (key, _) in enumerate(self._items):
                self._outcomes[index] = self._outcomes[index] or StoreError(error.kind, "put", key, error.reason)
