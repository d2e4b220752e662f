"""One upload per blob at a time, whoever wants it: a pure table of who is uploading what."""

from __future__ import annotations

from collections.abc import Iterable

import trio

__all__ = ["Flights"]


class Flights:
    """Blobs under way, each owned by one batch. A flight belongs to the blob, not to its submission:

    when its owner fails, the first of those who waited takes over with its own source.
    """

    def __init__(self) -> None:
        self._flights: dict[tuple[str, str], trio.Event] = {}

    def claim(self, entity: str, digests: Iterable[str]) -> tuple[list[str], list[trio.Event]]:
        """Take every blob that nobody uploads; for each of the others, the end of its flight to wait for."""
        mine: list[str] = []
        theirs: list[trio.Event] = []
        for digest in digests:
            flight = self._flights.get((entity, digest))
            if flight is not None:
                theirs.append(flight)
            else:
                self._flights[entity, digest] = trio.Event()
                mine.append(digest)
        return mine, theirs

    def release(self, entity: str, digests: Iterable[str]) -> None:
        """These have landed, or their owner gave up."""
        for digest in digests:
            self._flights.pop((entity, digest)).set()
