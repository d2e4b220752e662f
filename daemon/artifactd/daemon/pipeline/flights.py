"""One upload per blob at a time, whoever wants it: a pure table of who is uploading what."""

from __future__ import annotations

from collections.abc import Iterable

import trio

__all__ = ["Flights"]


class Flights:
    """Blobs under way, each owned by one batch. A flight belongs to the blob, not to its submission:

    when its owner fails, those who waited look again, and the first of them takes over with its own source.
    """

    def __init__(self) -> None:
        self._landed: dict[tuple[str, str], trio.Event] = {}

    def claim(self, entity: str, digests: Iterable[str]) -> tuple[set[str], list[trio.Event]]:
        """Take every blob that nobody uploads; for the others, what to wait for before looking again."""
        mine: set[str] = set()
        theirs: list[trio.Event] = []
        for digest in digests:
            landed = self._landed.get((entity, digest))
            if landed is not None:
                theirs.append(landed)
            else:
                self._landed[entity, digest] = trio.Event()
                mine.add(digest)
        return mine, theirs

    def release(self, entity: str, digests: Iterable[str]) -> None:
        """These have landed, or their owner gave up."""
        for digest in digests:
            self._landed.pop((entity, digest)).set()
