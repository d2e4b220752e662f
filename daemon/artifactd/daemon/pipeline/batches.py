"""How an artifact's files are grouped for hashing and upload: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from artifactd.daemon.stores.base import SINGLE_PUT
from artifactd.protocol.manifest import DraftEntry

__all__ = ["SMALL", "Batch", "plan"]

SMALL = SINGLE_PUT
"""Files up to this size, in bytes, are read once: hashed and uploaded from the same buffer."""

MAX_FILES = 512
MAX_BYTES = SMALL


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive entries from the `first`-th on: several small files, or one that is larger than `SMALL`."""

    first: int
    entries: tuple[DraftEntry, ...]
    size: int

    @property
    def is_large(self) -> bool:
        return self.size > SMALL


def plan(entries: Iterable[DraftEntry]) -> Iterator[Batch]:
    """Group entries lazily and in order. A batch of small files holds at most `MAX_BYTES`."""
    first = 0
    group: list[DraftEntry] = []
    size = 0
    for entry in entries:
        if group and (size + entry.size > MAX_BYTES or len(group) >= MAX_FILES):
            yield Batch(first, tuple(group), size)
            first, group, size = first + len(group), [], 0
        group.append(entry)
        size += entry.size
    if group:
        yield Batch(first, tuple(group), size)
