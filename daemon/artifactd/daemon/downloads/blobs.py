"""Blobs on their way into clients' directories: out of the cache, and through it once for however many ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from artifactd.daemon.downloads.cache import Cache
from artifactd.daemon.downloads.landing import exists, new_file
from artifactd.daemon.downloads.transfer import Blob, Transfer
from artifactd.protocol.errors import ArtifactdError, OutOfSpace

__all__ = ["Blobs"]


class Blobs:
    """Lands blobs; a blob that several ask for at once is fetched once.

    A flight belongs to the blob: when it fails, those who waited look again, and the first of them flies.
    """

    def __init__(self, cache: Cache, transfer: Transfer) -> None:
        self._cache = cache
        self._transfer = transfer
        self._flights: dict[str, trio.Event] = {}

    async def land(
        self, blobs: Sequence[Blob], landing: int, *, skip_cache: bool, landed: Callable[[Blob], None]
    ) -> list[Blob]:
        """Put each into the directory `landing`, named by its digest's hex; what lies there already is kept.

        Those of the cache are links to read-only files; others, with `skip_cache` all, are there alone. Calls
        `landed` for each. Returns those that came from the store, and so were verified, in this call. Raises as
        `Transfer.fetch` does, or an `OSError` of the directory; the others are given up then. `landing` remains
        the caller's.
        """
        absent = {blob.name for blob in blobs} if skip_cache else await self._hand_out(blobs, landing)
        bring = self._pass_by if skip_cache else self._bring
        failures: list[Exception] = []
        fetched: list[Blob] = []

        async def one(blob: Blob, siblings: trio.CancelScope) -> None:
            try:
                if await bring(blob, landing):
                    fetched.append(blob)
                landed(blob)
            except (ArtifactdError, OSError) as error:
                failures.append(error)
                siblings.cancel()

        async with trio.open_nursery() as nursery:
            for blob in blobs:
                if blob.name in absent:
                    nursery.start_soon(one, blob, nursery.cancel_scope)
                else:
                    landed(blob)
        if failures:
            raise failures[0]
        return fetched

    async def _bring(self, blob: Blob, landing: int) -> bool:
        """Land a blob; returns whether it came from the store."""
        if blob.size > self._cache.limit:
            return await self._pass_by(blob, landing)
        while (flight := self._flights.get(blob.name)) is not None:
            await flight.wait()
        flight = self._flights[blob.name] = trio.Event()
        try:
            # An earlier flight may have ended since the cache was asked.
            if not self._cache.has(blob.name) or await self._hand_out([blob], landing):
                return await self._fly(blob, landing)
            return False
        finally:
            del self._flights[blob.name]
            flight.set()

    async def _hand_out(self, blobs: Sequence[Blob], landing: int) -> set[str]:
        names = [blob.name for blob in blobs]
        return set(await trio.to_thread.run_sync(self._cache.hand_out, names, landing))

    async def _fly(self, blob: Blob, landing: int) -> bool:
        if await self._cache.admit(blob.name, blob.size):
            try:
                with self._cache.part(blob.name) as fd:
                    await self._transfer.fetch(blob, fd)
                await trio.to_thread.run_sync(self._cache.keep, blob.name, landing)
                return True
            except OutOfSpace:
                # Somebody else took the room: it may still do without a place in the cache.
                self._cache.discard_part(blob.name)
            finally:
                self._cache.arrived(blob.name)
        return await self._pass_by(blob, landing)

    async def _pass_by(self, blob: Blob, landing: int) -> bool:
        if exists(landing, blob.name):
            return False
        try:
            await self._hand_through(blob, landing)
        except OutOfSpace:
            # What was in use when the cache last looked may not be any more.
            await self._cache.make_room(blob.size)
            await self._hand_through(blob, landing)
        return True

    async def _hand_through(self, blob: Blob, landing: int) -> None:
        async with new_file(landing, blob.name) as fd:
            await self._transfer.fetch(blob, fd)
