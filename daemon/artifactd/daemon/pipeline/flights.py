"""One upload per blob at a time, whoever wants it: a pure table of who is uploading what."""

from __future__ import annotations

from collections.abc import Iterable

import trio

__all__ = ["Flight", "Flights"]


class Flight:
    """The upload of one blob by one batch, for those who wait for it."""

    def __init__(self) -> None:
        self._over = trio.Event()
        self._landed = False

    def end(self, *, landed: bool) -> None:
        self._landed = landed
        self._over.set()

    async def wait_landed(self) -> bool:
        """Wait for its end; False if it failed, and the blob is anybody's again."""
        await self._over.wait()
        return self._landed


class Flights:
    """Blobs under way, each owned by one batch. A flight belongs to the blob, not to its submission:

    when its owner fails, the first of those who waited takes over with its own source.
    """

    def __init__(self) -> None:
        self._flights: dict[tuple[str, str], Flight] = {}

    def claim(self, entity: str, digests: Iterable[str]) -> tuple[list[str], dict[str, Flight]]:
        """Take every blob that nobody uploads; for the others, the flights to wait for."""
        mine: list[str] = []
        theirs: dict[str, Flight] = {}
        for digest in digests:
            flight = self._flights.get((entity, digest))
            if flight is not None:
                theirs[digest] = flight
            else:
                self._flights[entity, digest] = Flight()
                mine.append(digest)
        return mine, theirs

    def release(self, entity: str, digests: Iterable[str], *, landed: bool) -> None:
        """These have landed, or their owner gave up."""
        for digest in digests:
            self._flights.pop((entity, digest)).end(landed=landed)
