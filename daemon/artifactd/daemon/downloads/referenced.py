"""What a version refers to, on its way into clients' directories: straight from where it is, past the cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import trio

from artifactd.daemon.downloads.landing import exists, new_file
from artifactd.daemon.references.base import Asker
from artifactd.daemon.references.references import QUICK, References
from artifactd.protocol.errors import ArtifactdError
from artifactd.protocol.manifest import Entry, landing_name

__all__ = ["Referenced"]

_AT_ONCE = 8


class Referenced:
    """Lands what references point to; the disk keeps `reserve` bytes free."""

    def __init__(self, references: References, *, reserve: int) -> None:
        self._references = references
        self._reserve = reserve
        self._free = trio.CapacityLimiter(_AT_ONCE)
        self._arriving = 0

    async def land(
        self, entries: Sequence[Entry], landing: int, *, asker: Asker, landed: Callable[[Entry], None]
    ) -> None:
        """Put each into the directory `landing` under its `landing_name`; what lies there already is kept.

        Calls `landed` for each. Raises as `References.fetch` does, or an `OSError` of the directory; the others
        are given up then. `landing` remains the caller's.
        """
        failures: list[Exception] = []

        async def one(entry: Entry, siblings: trio.CancelScope) -> None:
            try:
                await self._bring(entry, landing, asker)
                landed(entry)
            except (ArtifactdError, OSError) as error:
                failures.append(error)
                siblings.cancel()

        async with trio.open_nursery() as nursery:
            for entry in {landing_name(entry): entry for entry in entries}.values():
                nursery.start_soon(one, entry, nursery.cancel_scope)
        if failures:
            raise failures[0]

    async def _bring(self, entry: Entry, landing: int, asker: Asker) -> None:
        async with self._free:
            name = landing_name(entry)
            if exists(landing, name):
                return
            room = self._room(landing)
            self._arriving += entry.size
            try:
                async with new_file(landing, name) as fd:
                    await self._references.fetch(entry, fd, room, asker, attempts=QUICK)
            finally:
                self._arriving -= entry.size

    def _room(self, landing: int) -> int:
        disk = os.fstatvfs(landing)
        return max(0, disk.f_bavail * disk.f_frsize - self._reserve - self._arriving)
