"""The drafted entries of one submission, by where their contents are."""

from __future__ import annotations

from collections.abc import Iterator

from artifactd.daemon.queue.spool import SubmissionFiles
from artifactd.protocol.manifest import BASE, DraftEntry

__all__ = ["Drafted"]


class Drafted:
    """Each method reads the drafted manifest anew, lazily. The counts are known when `stored` is through."""

    def __init__(self, files: SubmissionFiles) -> None:
        self._files = files
        self.files = 0
        self.size = 0
        self.references = 0
        self.referred_size = 0
        self.carried = 0

    @property
    def is_all_stored(self) -> bool:
        return not self.references and not self.carried

    def stored(self) -> Iterator[DraftEntry]:
        """Those with contents of their own; all are counted on the way."""
        self.files = self.size = self.references = self.referred_size = self.carried = 0
        for entry in self._files.entries():
            self.files += 1
            self.size += entry.size
            if entry.reference is not None:
                self.references += 1
                self.referred_size += entry.size
            elif entry.source == BASE:
                self.carried += 1
            else:
                yield entry

    def referring(self) -> Iterator[DraftEntry]:
        """Those that refer to contents elsewhere."""
        return (entry for entry in self._files.entries() if entry.reference is not None)

    def from_base(self) -> Iterator[DraftEntry]:
        """Those that are as the base has them."""
        return (entry for entry in self._files.entries() if entry.source == BASE)
