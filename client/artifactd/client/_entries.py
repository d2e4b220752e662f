"""The paths of one artifact under construction. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.manifest import DraftEntry

__all__ = ["EntryTable"]


class EntryTable:
    """Drafted entries by path; no path is both a file and a directory.

    `size` is the sum of the entries' sizes in bytes.
    """

    def __init__(self) -> None:
        self._entries: dict[str, DraftEntry] = {}
        self._directories: set[str] = set()
        self.size = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, path: str) -> DraftEntry | None:
        return self._entries.get(path)

    @property
    def refers(self) -> bool:
        """Whether any entry is a reference."""
        return any(entry.reference is not None for entry in self._entries.values())

    def sorted(self) -> list[DraftEntry]:
        """Every entry, by the UTF-8 bytes of its path."""
        # Code point order is the order of UTF-8 bytes.
        return [self._entries[path] for path in sorted(self._entries)]

    def check(self, paths: Iterable[str]) -> None:
        """Raise `InvalidRequest` if one of `paths` is a directory here or lies below a file, or one another."""
        added = set(paths)
        directories: set[str] = set()
        for path in added:
            parent = path.rpartition("/")[0]
            while parent and parent not in directories:
                if parent in self._entries or parent in added:
                    raise _both(parent, path)
                directories.add(parent)
                parent = parent.rpartition("/")[0]
        for path in added:
            if path in self._directories:
                raise _both(path, f"{path}/…")

    def put(self, entry: DraftEntry) -> DraftEntry | None:
        """Add a checked entry, or replace the one with its path, which is returned."""
        replaced = self._entries.get(entry.path)
        self._entries[entry.path] = entry
        self.size += entry.size - (replaced.size if replaced else 0)
        self._note_parents(entry.path)
        return replaced

    def remove(self, path: str) -> list[DraftEntry]:
        """Drop the entry at `path`, or the subtree below it; returns what was dropped."""
        below = path + "/"
        found = [path] if path in self._entries else [name for name in self._entries if name.startswith(below)]
        dropped = [self._entries.pop(name) for name in found]
        self.size -= sum(entry.size for entry in dropped)
        self._directories.clear()
        for name in self._entries:
            self._note_parents(name)
        return dropped

    def _note_parents(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        while parent and parent not in self._directories:
            self._directories.add(parent)
            parent = parent.rpartition("/")[0]


def _both(path: str, other: str) -> InvalidRequest:
    return InvalidRequest(f"{path!r} would be both a file and a directory", subject=other)
